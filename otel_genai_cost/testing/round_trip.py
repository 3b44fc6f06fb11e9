"""A team's own queue, tried: two tenants and none go through its producer and its consumer, and come out as they went
in.

The consumer runs outside of any tenant, as in a process of its own, and once more in the name of somebody whom none of
the messages is for, as in a worker that a request has started.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager, nullcontext
from typing import Final

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost.tenancy.blocks import tenant
from otel_genai_cost.testing.audit import Audit, SeenCall

__all__ = ["RoundTrip"]

_SENDERS: Final = ("acme", None, "globex", None)
"""Nobody after somebody: a tenant that stays behind is found."""

_BYSTANDER: Final = "bystander"


class RoundTrip:
    """Sends and works on messages: `round_trip(send, work)`, or `await round_trip.later(send, work)`."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    def __call__(self, send: Callable[[], object], work: Callable[[], object]) -> None:
        """Try a queue.

        Args:
            send: Puts a message into it whose work makes one call.
            work: Works on all that is there, or waits until that is done.

        Raises:
            AssertionError: If a call is made for somebody else than its message was sent for, or none is made.
        """
        for senders, around in _rounds():
            with self._audit.collecting() as seen:
                for sender in senders:
                    with _as(sender):
                        _finished(send())
                with _as(around):
                    _finished(work())
            _judge(senders, seen, around)

    async def later(
        self, send: Callable[[], Awaitable[object]], work: Callable[[], Awaitable[object]]
    ) -> None:
        """As a call, with what is awaited.

        Args:
            send: As above, a coroutine function.
            work: Likewise.

        Raises:
            AssertionError: As above.
        """
        for senders, around in _rounds():
            with self._audit.collecting() as seen:
                for sender in senders:
                    with _as(sender):
                        await send()
                with _as(around):
                    await work()
            _judge(senders, seen, around)


def _rounds() -> Iterable[tuple[tuple[str | None, ...], str | None]]:
    """Who sends, and in whose name the worker runs: one after the other, and all at once."""
    for around in (None, _BYSTANDER):
        for sender in _SENDERS:
            yield (sender,), around
        yield _SENDERS, around


def _finished(result: object) -> None:
    if inspect.isawaitable(result):
        if inspect.iscoroutine(result):
            result.close()
        raise TypeError("send() or work() is a coroutine function: use `await round_trip.later(…)`")


@contextmanager
def _as(name: str | None) -> Generator[None]:
    """In somebody's name, or nobody's, and outside of the test's own."""
    token = context.attach(Context())
    try:
        with nullcontext() if name is None else tenant(name):
            yield
    finally:
        context.detach(token)


def _judge(senders: tuple[str | None, ...], seen: list[SeenCall], around: str | None) -> None:
    if not seen:
        raise AssertionError(
            "no call was seen: work() has to make one for each message, with a client that is instrumented, before it "
            "returns"
        )
    wanted, found = Counter(senders), Counter(one.tenant for one in seen)
    if wanted == found:
        return
    sent, worked = (", ".join(_counted(each)) for each in (wanted, found))
    calls = "".join(f"  {one.call!r} for {one.tenant or 'nobody'} at {one.site}\n" for one in seen)
    by = "" if around is None else f" by a worker in the name of {around}"
    raise AssertionError(
        f"messages of {sent} were worked on{by} for {worked}\n"
        "  fix: put the tenant into the message with `inject(headers)` where it is made, and work on it in "
        f"`with job(headers):`; without a tenant in it, it is nobody's\n{calls}"
    )


def _counted(names: Counter[str | None]) -> Iterable[str]:
    for name, count in sorted(names.items(), key=lambda item: item[0] or ""):
        yield f"{name or 'nobody'}" + (f" ({count} times)" if count > 1 else "")
