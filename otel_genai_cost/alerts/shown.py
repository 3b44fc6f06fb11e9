"""Notices in an application: a page of them, and those that come, as server-sent events.

Whoever mounts this says who asks. A tenant is given its own audience's notices about itself, and of those what it may
see; the team what is meant for the team, or, on wish, what a tenant is shown.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.alerts.render import render
from otel_genai_cost.ledger.projections.notices import Queued
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["PAGE_MAX", "Page", "Read", "Wanted", "events", "notice_record", "page"]

PAGE_MAX: Final = 1_000
_POLL_S: Final = 1.0
_QUIET_POLLS: Final = 15
"""After so many without a notice a comment is sent, so that a proxy keeps the connection."""

_LEDGER_DIGITS: Final = 8


class Wanted(NamedTuple):
    """Whose notices: an audience's, about a tenant, or about anybody for the team."""

    audience: Audience
    tenant: str | None


class Page(NamedTuple):
    """Some notices in order, and the cursor after which to ask for more."""

    notices: list[dict[str, Any]]
    cursor: str


def page(ledger: Ledger, wanted: Wanted, after: str = "", limit: int = PAGE_MAX) -> Page:
    """Notices after a cursor.

    Args:
        ledger: to read.
        wanted: whose.
        after: a cursor that was given; of another ledger, or none, for the beginning.
        limit: how many at most.
    """
    n = _number(after, ledger)
    found = ledger.notices.since(n, wanted.audience, wanted.tenant, min(limit, PAGE_MAX))
    last = found[-1].n if found else n
    records = [notice_record(one, _cursor(one.n, ledger)) for one in found]
    return Page(records, _cursor(last, ledger))


def _cursor(n: int, ledger: Ledger) -> str:
    """Numbers are a ledger's own: one that was rebuilt may have others, so that all is given again, under the same
    ids."""
    return f"{ledger.id[:_LEDGER_DIGITS]}-{n}"


def _number(cursor: str, ledger: Ledger) -> int:
    of, _, n = cursor.partition("-")
    is_own = of == ledger.id[:_LEDGER_DIGITS] and n.isascii() and n.isdigit() and len(n) < 18
    return int(n) if is_own else 0


def notice_record(one: Queued, cursor: str) -> dict[str, Any]:
    """A notice as its audience sees it.

    Args:
        one: as it was queued.
        cursor: after which to ask for the next.
    """
    message = render(one.notice, one.id)
    return {
        "id": one.id,
        "cursor": cursor,
        "kind": one.notice.kind,
        "at": rfc3339(one.notice.at_us),
        "tenant": one.notice.tenant,
        "title": message.title,
        "text": message.text,
        "facts": dict(message.facts),
        "acknowledged": None if one.acknowledged_us is None else rfc3339(one.acknowledged_us),
    }


Read = Callable[[str], Awaitable["Page | None"]]
"""Gives the page after a cursor; one without a cursor where the ledger cannot be read just now, and None to whoever may
not listen any more."""


async def events(
    read: Read, after: str | None, poll_s: float = _POLL_S
) -> AsyncGenerator[str, None]:
    """Notices as they come, each a server-sent event whose id is its cursor, until whoever listens has gone.

    Args:
        read: gives them.
        after: the `Last-Event-ID` of a listener that comes again; None to begin with what comes from now on.
        poll_s: how often it is looked.
    """
    cursor = await _last(read) if after is None else after
    quiet = 0
    yield ": here\n\n"
    while (found := await read(cursor)) is not None:
        for one in found.notices:
            yield _event(one)
        cursor = found.cursor or cursor
        quiet = 0 if found.notices else quiet + 1
        if quiet >= _QUIET_POLLS:
            yield ": quiet\n\n"
            quiet = 0
        if len(found.notices) < PAGE_MAX:
            await asyncio.sleep(poll_s)


async def _last(read: Read) -> str:
    cursor = ""
    while (found := await read(cursor)) is not None and found.notices:
        cursor = found.cursor
    return cursor if found is None else found.cursor or cursor


def _event(record: Mapping[str, Any]) -> str:
    data = json.dumps(record, separators=(",", ":"))
    return f"id: {record['cursor']}\nevent: notice\ndata: {data}\n\n"
