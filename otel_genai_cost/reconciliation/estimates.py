"""Estimates beside what came of them, by week and model: guessed usage that was reported too, and holds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, Final, Literal, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import local_clock
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, Usage

__all__ = ["Estimated", "estimated_record", "estimates"]

_BATCH: Final = 500
_PLACES: Final = Decimal("0.0001")
_LIST: Final = frozenset({"list", "provider", "share"})
_TOKENS: Final = "tokens"

What = Literal["hold", "input", "output"]


class Estimated(NamedTuple):
    """A sum of estimates.

    Attributes:
        week: its Monday.
        model: as booked.
        what: `hold`, or tokens in or out.
        unit: `tokens`, or the currency of the holds.
        calls: how many it is of.
        estimated: tokens, or atto.
        actual: what these calls came to, in the same.
    """

    week: str
    model: str | None
    what: What
    unit: str
    calls: int
    estimated: int
    actual: int


_Place = tuple[str, "str | None", What, str]
_Found = Iterator[tuple[_Place, int, int]]


def estimates(ledger: Ledger, selection: Selection) -> list[Estimated]:
    """Estimates of calls of which both sides are known.

    Args:
        ledger: the ledger.
        selection: of which only time and zone count.
    """
    sums: dict[_Place, list[int]] = {}
    for place, estimated, actual in (*_of_usage(ledger, selection), *_of_holds(ledger, selection)):
        found = sums.setdefault(place, [0, 0, 0])
        for at, more in enumerate((1, estimated, actual)):
            found[at] += more
    ordered = sorted(sums, key=lambda place: (place[0], place[1] or "", *place[2:]))
    return [Estimated(*place, *sums[place]) for place in ordered]


def _of_usage(ledger: Ledger, selection: Selection) -> _Found:
    """Charges with an estimate and a report of one response, where the report counts."""
    for charges in _batches(ledger.observations.joined()):
        entries = ledger.entries.by_charge(charges)
        for charge_id, members in ledger.observations.by_charge(charges).items():
            last = _last(entries.get(charge_id, ()), selection)
            if last is None or last.quality != "reported":
                continue
            guessed, reported = (_most(members, quality) for quality in ("estimated", "reported"))
            week = _week(last.occurred_us, selection.zone)
            for what in guessed.keys() & reported.keys():
                yield (week, last.model, what, _TOKENS), guessed[what], reported[what]


def _most(members: Iterable[Observation], quality: str) -> Mapping[What, int]:
    """Tokens by the member of that quality that has most."""
    nothing: dict[What, int] = {}
    found = [
        _tokens(one.reading.usage)
        for one in members
        if one.role in ("response", "poll") and one.reading.usage.quality == quality
    ]
    return max(found, key=lambda one: (sum(one.values()), one.get("output", 0)), default=nothing)


def _tokens(usage: Usage) -> dict[What, int]:
    found: dict[What, int] = {}
    sides: tuple[tuple[What, int | None, Sequence[str]], ...] = (
        ("input", usage.input_total, INPUT_LEAVES),
        ("output", usage.output_total, OUTPUT_LEAVES),
    )
    for what, total, leaves in sides:
        known = [leaf for leaf in leaves if leaf in usage.leaves]
        if (total is not None or known) and not _is_certain(usage, known):
            found[what] = sum(usage.leaves[leaf] for leaf in known) if total is None else total
    return found


def _is_certain(usage: Usage, leaves: Iterable[str]) -> bool:
    """Whether this part of an estimate is none: a stream that was left has often said what went in."""
    low, high = usage.low, usage.high
    return (
        low is not None
        and high is not None
        and all(low.get(one) == high.get(one) for one in leaves)
    )


def _of_holds(ledger: Ledger, selection: Selection) -> _Found:
    """What was held for a call that has a price by now, as it was admitted; the most where several held for it."""
    held: dict[str, tuple[int, str]] = {}
    for charge_id, answer in ledger.holds.answers():
        said = json.loads(answer)
        if "held" in said:
            one = (parse_money(said["held"]), str(said["currency"]))
            held[charge_id] = max(held.get(charge_id, one), one)
    for charges in _batches(iter(held)):
        for charge_id, entries in ledger.entries.by_charge(charges).items():
            last, (amount, currency) = _last(entries, selection), held[charge_id]
            is_priced = not sum(entry.unpriced for entry in entries)
            if last is not None and is_priced and last.currency == currency:
                place: _Place = (
                    _week(last.occurred_us, selection.zone),
                    last.model,
                    "hold",
                    currency,
                )
                yield place, amount, _at_list(entries)


def _last(entries: Sequence[Entry], selection: Selection) -> Entry | None:
    """The newest entry of a charge of the selected time that counts as a call."""
    if sum(entry.calls for entry in entries) <= 0:
        return None
    last = max(entries, key=lambda entry: entry.seq)
    is_late = selection.to_us is not None and last.occurred_us >= selection.to_us
    return None if is_late or last.occurred_us < (selection.from_us or 0) else last


def _at_list(entries: Iterable[Entry]) -> int:
    """As holds are: before any contract."""
    return sum(
        line.amount
        for entry in entries
        for line in entry.lines
        if line.side == "cost" and line.kind in _LIST
    )


def _week(occurred_us: int, zone: tzinfo) -> str:
    day = local_clock(occurred_us, zone).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def _batches(charge_ids: Iterator[str]) -> Iterator[list[str]]:
    while part := list(islice(charge_ids, _BATCH)):
        yield part


def estimated_record(one: Estimated) -> dict[str, Any]:
    """A sum of estimates as others script against it.

    Args:
        one: of a week, a model and a unit.
    """
    is_money = one.unit != _TOKENS
    shown = [format_money(n) if is_money else n for n in (one.estimated, one.actual)]
    factor = Fraction(one.estimated, one.actual) if one.actual > 0 else None
    return {
        "week": one.week,
        "model": one.model,
        "what": one.what,
        "unit": one.unit,
        "calls": one.calls,
        "estimated": shown[0],
        "actual": shown[1],
        "factor": None if factor is None else _rounded(factor),
    }


def _rounded(factor: Fraction) -> str:
    exact = Decimal(factor.numerator) / factor.denominator
    return str(exact.quantize(_PLACES, ROUND_HALF_EVEN))
