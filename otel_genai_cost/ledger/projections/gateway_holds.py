"""Holds of calls that a proxy let through and nobody measured there: one ends with the charge of its trace.

A proxy that only asks (`POST /v1/admit`) sees no answer, and does not know the id of the observation that an
application makes of the same call. Both know the trace. So a call that a proxy let through while an observation of the
charge ran, in the same trace and for the same model, was for that: first the one whose request names the observation's
own span, then the oldest. A charge ends as many of them as it took requests.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import SKEW_US
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.holds import Holds
from otel_genai_cost.ledger.projections.mirrored import Outcome
from otel_genai_cost.limits.hold import Hold

__all__ = ["GatewayHolds"]

_TRACE: Final = "json_extract(body, '$.trace_id')"
_SCHEMA: Final = f"""
CREATE INDEX IF NOT EXISTS hold_trace ON hold ({_TRACE})
    WHERE {_TRACE} IS NOT NULL AND state IN ('held', 'sent', 'lost');
"""
_WHERE: Final = f"FROM hold WHERE {_TRACE} IS NOT NULL AND state IN ('held', 'sent', 'lost')"
_ANY: Final = f"SELECT 1 {_WHERE} LIMIT 1"
_OPEN: Final = f"SELECT id, body {_WHERE} AND {_TRACE} = ?"

_WAITING: Final = frozenset({"held", "sent", "lost"})
"""States of a hold of whose call nobody has said what it cost."""

_BATCH: Final = 5_000

Members = Callable[[Sequence[str]], Mapping[str, Sequence[Observation]]]
"""The observations of charges."""


class _Passed(NamedTuple):
    """A call that a proxy let through."""

    id: str
    at_us: int
    parent_id: str
    model: str | None


Passing = Callable[[str], Iterable[_Passed]]
"""The calls of a trace that proxies let through, and that nobody measured yet."""


class GatewayHolds:
    """Ends them. Everything is called inside the caller's transaction.

    Args:
        db: the ledger's connection.
        holds: of the same ledger.
        members: the observations of charges.
    """

    name = "gateway_holds"
    schema = _SCHEMA
    decisions: tuple[str, ...] = ()

    def __init__(self, db: sqlite3.Connection, holds: Holds, members: Members) -> None:
        self._db, self._holds, self._members = db, holds, members

    def book(self, entries: Sequence[Entry]) -> None:
        """End the holds of calls whose charge is booked for the first time.

        Args:
            entries: that are being booked.
        """
        if self._db.execute(_ANY).fetchone() is None:
            return
        for hold_id in self._ended(entries, self._open):
            hold = self._holds.find(hold_id)
            if hold is not None:
                self._holds.write(hold, hold.after("book"))

    def outcomes(self, holds: Iterable[Hold], entries: Iterable[Entry]) -> list[Outcome]:
        """What became of the calls of holds that are kept elsewhere.

        Args:
            holds: open ones; those of whose own observations something is known are left out.
            entries: that were booked since this was asked last.
        """
        passed: dict[str, list[_Passed]] = {}
        for hold in holds:
            said: Mapping[str, Any] = json.loads(hold.request)
            if hold.state in _WAITING and said.get("trace_id"):
                passed.setdefault(said["trace_id"], []).append(_passed(hold.id, said))
        ended: dict[str, Outcome] = {}
        if passed:
            for hold_id in self._ended(
                entries,
                lambda trace_id: [one for one in passed.get(trace_id, ()) if one.id not in ended],
            ):
                ended[hold_id] = Outcome(hold_id, "book")
        return list(ended.values())

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Nothing: nobody decides about a hold.

        Args:
            event: of no type that is asked for.
            now_us: unix microseconds.
        """

    def _ended(self, entries: Iterable[Entry], passing: Passing) -> Iterator[str]:
        """The holds of calls whose charge has a price since these entries; each is to be ended before the next."""
        rest = iter(entries)
        while batch := list(islice(rest, _BATCH)):
            charges = [entry.charge_id for entry in batch if _is_first_price(entry)]
            for members in self._members(list(dict.fromkeys(charges))).values():
                yield from _over(members, passing)

    def _open(self, trace_id: str) -> Iterator[_Passed]:
        for hold_id, body in self._db.execute(_OPEN, (trace_id,)).fetchall():
            yield _passed(hold_id, json.loads(body))


def _passed(hold_id: str, said: Mapping[str, Any]) -> _Passed:
    return _Passed(hold_id, said.get("at_us", 0), said.get("parent_id", ""), said.get("model"))


def _over(members: Sequence[Observation], passing: Passing) -> list[str]:
    """The holds that end with a charge of these observations."""
    spans = {one.span_id for one in members}
    found = {
        passed.id: passed
        for trace_id in {one.trace_id for one in members}
        for passed in passing(trace_id)
        if any(_was_for(passed, one) for one in members)
    }
    requests = max((one.reading.attempts for one in members), default=1)
    first = sorted(found.values(), key=lambda one: (one.parent_id not in spans, one.at_us))
    return [one.id for one in first[:requests]]


def _is_first_price(entry: Entry) -> bool:
    """Whether a charge has a price since this entry."""
    return entry.unpriced < 0 or (entry.calls > 0 and not entry.unpriced)


def _was_for(passed: _Passed, one: Observation) -> bool:
    """Whether a call can have been let through for an observation."""
    names = {one.reading.model_requested, one.reading.model_returned, one.reading.model_asked}
    is_model = passed.model is None or passed.model in names
    return is_model and one.start_us - SKEW_US <= passed.at_us <= one.end_us + SKEW_US
