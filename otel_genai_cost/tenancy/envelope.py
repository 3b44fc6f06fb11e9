"""Tenants through queues: what a message carries, and what runs because of it.

A job's context is built from nothing but its envelope. A message without one is unattributed: the context around a
worker belongs to whoever came before.

    inject(headers)                                     # where a message is made
    with job(headers): …                                # where it is worked on
    for message in each(batch, carrier=lambda m: m.headers): …
    @tenant_job(carrier=lambda message: message.headers)
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, Callable, Generator, Iterable, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, TypeVar, cast, overload

from opentelemetry import context, propagate, trace

from otel_genai_cost.errors import UnattributedJobError, guarded
from otel_genai_cost.tenancy.binding import capture
from otel_genai_cost.tenancy.carriers import RESERVED_KEY, VERSION, QueueArguments, entries_in
from otel_genai_cost.tenancy.outgoing import sent
from otel_genai_cost.tenancy.received import envelope_fields, received
from otel_genai_cost.tenancy.rolling import Each
from otel_genai_cost.tenancy.scoped import Scoped

__all__ = [
    "OnMissing",
    "as_argument",
    "configure",
    "each",
    "inject",
    "job",
    "put_reserved",
    "reserved",
    "tenant_job",
]

OnMissing: TypeAlias = Literal["unattributed", "raise"]
"""What becomes of a job whose message names no tenant."""

_logger = logging.getLogger("otel_genai_cost")
_arguments: QueueArguments = "read"
_said: set[str] = set()

_M = TypeVar("_M", bound=MutableMapping[str, Any])
_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")


@overload
def inject(carrier: dict[str, str]) -> dict[str, str]: ...
@overload
def inject(carrier: list[Any]) -> list[Any]: ...
@overload
def inject(carrier: tuple[Any, ...]) -> tuple[Any, ...]: ...
@overload
def inject(carrier: _M) -> _M: ...
def inject(carrier: Any) -> Any:
    """Put the current context into a message: `traceparent`, `tracestate` and `baggage`, the tenant first.

    Never overwrites, and adds nothing to an envelope of another trace: a retry or requeue keeps the tenant that it
    began with. A context that outlived its request gives the message no tenant.

    Args:
        carrier: Headers: a mapping, a list of pairs, or a tuple of pairs such as gRPC's metadata.

    Returns:
        The same object with the envelope in it; of a tuple, a new one.
    """
    more = _missing_in(carrier)
    if not more:
        return carrier
    if isinstance(carrier, MutableMapping):
        cast("MutableMapping[str, str]", carrier).update(more)
    elif isinstance(carrier, list):
        pairs = cast("list[object]", carrier)
        pairs.extend(_as_pairs(pairs, more))
    elif isinstance(carrier, tuple):
        return (*cast("tuple[object, ...]", carrier), *more.items())
    return cast("Any", carrier)


def reserved(known: object = None) -> dict[str, object]:
    """The envelope of a message that has no headers, to be put under the reserved key of what it has.

    Args:
        known: What stands there already, which is kept.
    """
    if known is not None:
        return cast("dict[str, object]", known)
    return {"v": VERSION, **(_missing_in({}) or {})}


def put_reserved(fields: MutableMapping[str, Any]) -> None:
    """Put the envelope into what a message has instead of headers, unless there is one.

    Args:
        fields: Options, metadata or the like, which go with the message.
    """
    fields[RESERVED_KEY] = reserved(fields.get(RESERVED_KEY))


def configure(*, arguments: QueueArguments) -> None:
    """Called once, when metering begins.

    Args:
        arguments: `send` once every worker takes envelopes out of its jobs' arguments.
    """
    global _arguments
    _arguments = arguments
    _said.clear()


def as_argument(library: str, known: object = None) -> dict[str, object] | None:
    """The envelope of a message that has room in its job's arguments alone; None while they must not carry one.

    Args:
        library: whose message it is, for the log.
        known: An envelope that it has already, which is kept.
    """
    if _arguments == "send":
        return reserved(known)
    if library not in _said and capture(context.get_current()) is not None:
        _said.add(library)
        _logger.warning(
            "jobs of %s do not carry their tenant: it would be one of their arguments, which a worker without "
            "otel-genai-cost passes on. Once all workers run under it, set OTEL_GENAI_COST_QUEUE_ARGUMENTS=send where "
            "jobs are sent",
            library,
        )
    return None


def _as_pairs(pairs: list[object], more: dict[str, str]) -> list[tuple[str, str | bytes]]:
    """As those that are there: Kafka's values are bytes, and are taken for such where there are none yet."""
    is_text = any(isinstance(pair, tuple) and isinstance(pair[-1], str) for pair in pairs)
    return [(key, value if is_text else value.encode()) for key, value in more.items()]


@guarded("tenancy.inject", default=None)
def _missing_in(carrier: object) -> dict[str, str]:
    """What is to be added to a carrier; nothing if it has the envelope of another trace."""
    known = entries_in(carrier, envelope_fields())
    if "traceparent" in known and _trace_of(known["traceparent"]) != _current_trace():
        return {}
    fresh: dict[str, str] = {}
    propagate.inject(fresh, sent(None))
    return {key: value for key, value in fresh.items() if key.lower() not in known}


def _trace_of(traceparent: str) -> int:
    parts = traceparent.strip().split("-")
    try:
        return int(parts[1], 16)
    except (IndexError, ValueError):
        return 0


def _current_trace() -> int:
    return trace.get_current_span().get_span_context().trace_id


@contextmanager
def job(
    carrier: object, *, source: str = "message", on_missing: OnMissing = "unattributed"
) -> Generator[None, None, None]:
    """Run a job in the context of its message, and in no other.

    Args:
        carrier: What the message carries its envelope in: headers, attributes or metadata of any queue, a CloudEvent,
            or None.
        source: Where the message came from, such as the queue's name, for the error.
        on_missing: What becomes of a job without a tenant: its calls are nobody's, or it is not begun.

    Raises:
        UnattributedJobError: for a job without a tenant, if `on_missing` is `raise`.
    """
    message = received(carrier)
    found = message.attribution
    if on_missing == "raise" and found.tenant is None and found.initiator != "system":
        raise UnattributedJobError(source, found.absent or "missing")
    with message.attached():
        yield


def tenant_job(
    *,
    carrier: Callable[..., object],
    source: str = "message",
    on_missing: OnMissing = "unattributed",
) -> Callable[[_F], _F]:
    """A decorator of what works on a message: a function, coroutine or generator, plain or asynchronous.

    Args:
        carrier: Called with the function's arguments; gives what the message carries its envelope in.
        source: As for `job`.
        on_missing: As for `job`.
    """
    found = guarded("tenancy.carrier", default=None)(carrier)

    def enter(*args: Any, **kwargs: Any) -> Any:
        return job(found(*args, **kwargs), source=source, on_missing=on_missing)

    return Scoped(enter)


def each(
    messages: Iterable[_T] | AsyncIterable[_T], *, carrier: Callable[[_T], object]
) -> Each[_T]:
    """Messages of a batch or a consumer, each in its own tenant's name: from when it was read until the next is.

    Args:
        messages: For `for` or `async for`.
        carrier: Gives what a message carries its envelope in.
    """
    return Each(messages, carrier)
