"""A budget: how much may be spent for whom in which period, and what happens on the way. Pure.

What is counted for a budget follows from a part of it, its measure. Budgets and versions with the same measure share
their counters, so that a limit can be raised without anything being counted anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, get_args

from otel_genai_cost.limits.period import PERIODS, PeriodKind, period
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.vocabulary import SIDES, Side

__all__ = [
    "ANY",
    "BURST",
    "DIMENSIONS",
    "ORGANISATION",
    "RUNGS",
    "SOFT",
    "Budget",
    "Dimension",
    "Dimensions",
    "Measure",
    "OnGateDown",
    "Rung",
    "RungKind",
    "UnknownPrice",
    "budget_of",
    "budget_record",
    "numbered",
    "values_of",
]

Dimension = Literal[
    "organisation", "tenant", "plan", "feature", "workflow", "agent", "action", "model"
]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

Dimensions = Mapping[str, str | None]
"""What is known of a call, by dimension."""

ANY: Final = "*"
"""In a scope: every value has a counter of its own."""

ORGANISATION: Final = "organisation"
"""The key of the one counter of a scope without dimensions."""

SOFT: Final = "soft"
"""The name of the soft limit among the marks."""

RungKind = Literal["warn", "shrink", "downgrade", "defer", "pace", "block"]
RUNGS: Final[tuple[RungKind, ...]] = get_args(RungKind)

BURST: Final = 200
"""Of a `pace` that names none: twice an even one."""

OnGateDown = Literal["closed", "lease", "open"]
UnknownPrice = Literal["deny", "allow"] | int
"""What a call without a price may do; a number is what it is taken to cost, in atto."""


class Rung(NamedTuple):
    """What is done from a share of the hard limit on.

    Attributes:
        at: percent of the hard limit.
        do: what is done.
        models: of a `downgrade`, what is called instead of what.
        burst: of a `pace`, percent of an even pace that are let through.
    """

    at: int
    do: RungKind
    models: tuple[tuple[str, str], ...] = ()
    burst: int = BURST


class Measure(NamedTuple):
    """What a budget counts: everything on which its counters depend.

    Attributes:
        scope: sorted pairs of dimension and value; none is the organisation.
        period: in which the sums are made; `zone`, `anchor`: see `period`.
        currency: in which.
        side: what a call costs, or what a customer pays for it.
    """

    scope: tuple[tuple[str, str], ...]
    period: PeriodKind
    zone: str
    anchor: int
    currency: str
    side: Side

    @property
    def series(self) -> str:
        """16 hex digits that stand for it."""
        return _series(self)

    def key(self, dimensions: Dimensions) -> str | None:
        """Which of its counters a call is counted in; None if it is in none.

        Args:
            dimensions: what is known of the call.
        """
        if not self.scope:
            return ORGANISATION
        parts: list[str] = []
        for dimension, value in self.scope:
            found = dimensions.get(dimension)
            if found is None or (found != value and value != ANY):
                return None
            parts.append(f"{dimension}={_escaped(found)}")
        return ",".join(parts)


@lru_cache(maxsize=10_000)
def _series(measure: Measure) -> str:
    text = json.dumps(measure, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _escaped(value: str) -> str:
    """So that no value looks like two dimensions."""
    if "," in value or "=" in value or "%" in value:
        return value.replace("%", "%25").replace(",", "%2C").replace("=", "%3D")
    return value


def _unescaped(value: str) -> str:
    return value.replace("%3D", "=").replace("%2C", ",").replace("%25", "%")


class Budget(NamedTuple):
    """One version of a budget. Money is atto, times are unix microseconds.

    Attributes:
        id: what people call it.
        version: counted from 1, in the order in which they were recorded.
        scope, period, zone, anchor, side, currency: see `Measure`.
        soft: what is told when it is exceeded.
        hard: what the gate does not let through.
        thresholds: percent of the hard limit, or of the soft one where there is no other, that are told.
        ladder: what is done before the hard limit, from low to high.
        on_gate_down: what applications do while no gate answers.
        allowance: what each may spend meanwhile, where that is `open`.
        unknown_price: what a call without a price may do.
        valid_from_us: from when it holds, until the next version does.
        valid_to_us: until when; None if nothing ends it.
        recorded_at_us: when it was decided.
    """

    id: str
    version: int
    scope: tuple[tuple[str, str], ...]
    period: PeriodKind
    zone: str
    anchor: int
    side: Side
    currency: str
    soft: int | None
    hard: int | None
    thresholds: tuple[int, ...]
    ladder: tuple[Rung, ...]
    on_gate_down: OnGateDown
    allowance: int
    unknown_price: UnknownPrice
    valid_from_us: int
    valid_to_us: int | None
    recorded_at_us: int

    @property
    def measure(self) -> Measure:
        """What it counts."""
        return Measure(self.scope, self.period, self.zone, self.anchor, self.currency, self.side)

    @property
    def series(self) -> str:
        """16 hex digits: of what its counters depend on."""
        return self.measure.series

    def key(self, dimensions: Dimensions) -> str | None:
        """Which of its counters a call is counted in, `tenant=acme,feature=chat`; None if it is in none."""
        return self.measure.key(dimensions)

    def period_at(self, at_us: int) -> tuple[int, int]:
        """The period that an instant is in: its first microsecond, and the first after it."""
        return period(self.period, self.zone, self.anchor, at_us)

    @property
    def facts(self) -> tuple[object, ...]:
        """What it says, but for when that was said, and as which version."""
        return (self.id, *self[2:15])

    @property
    def marks(self) -> Mapping[str, int]:
        """The sums that are told when they are reached, by name: `80` for percent; `soft` beside a hard limit."""
        limit = self.limit
        found = {} if limit is None else {str(at): -(-limit * at // 100) for at in self.thresholds}
        if self.soft is None or self.hard is None:
            return found
        return {**found, SOFT: self.soft}

    @property
    def limit(self) -> int | None:
        """What per cents are of: the hard limit, or the soft one where there is no other."""
        return self.soft if self.hard is None else self.hard

    def percent(self, amount: int) -> int | None:
        """How much of the limit a sum is, in whole per cents; None of no limit, or of one of nothing.

        Args:
            amount: atto.
        """
        return amount * 100 // self.limit if self.limit else None


def values_of(key: str) -> dict[str, str]:
    """What a counter's key says, by dimension; nothing of the organisation's.

    Args:
        key: see `Budget.key`.
    """
    if key == ORGANISATION:
        return {}
    pairs = (part.partition("=") for part in key.split(","))
    return {dimension: _unescaped(value) for dimension, _, value in pairs}


def budget_record(budget: Budget) -> dict[str, Any]:
    """A version as JSON, without its number: what the ledger's own journal says of it."""
    said = budget._asdict()
    del said["version"]
    return {
        **said,
        "scope": dict(budget.scope),
        "soft": _text(budget.soft),
        "hard": _text(budget.hard),
        "thresholds": list(budget.thresholds),
        "ladder": [{**rung._asdict(), "models": dict(rung.models)} for rung in budget.ladder],
        "allowance": format_money(budget.allowance),
        "unknown_price": budget.unknown_price
        if isinstance(budget.unknown_price, str)
        else format_money(budget.unknown_price),
    }


def budget_of(record: Mapping[str, Any]) -> Budget:
    """The version of a `budget_record`; it has no number.

    Raises:
        KeyError, TypeError, ValueError: if it is none.
    """
    unknown: str = record["unknown_price"]
    said: dict[str, Any] = {name: record[name] for name in Budget._fields if name != "version"}
    said |= {
        "version": 0,
        "scope": tuple(sorted(record["scope"].items())),
        "soft": _amount(record["soft"]),
        "hard": _amount(record["hard"]),
        "thresholds": tuple(map(int, record["thresholds"])),
        "ladder": tuple(map(_rung, record["ladder"])),
        "allowance": parse_money(record["allowance"]),
        "unknown_price": unknown if unknown in ("deny", "allow") else parse_money(unknown),
    }
    budget = Budget(**said)
    _check_words(budget)
    budget.period_at(budget.valid_from_us)
    return budget


def _check_words(budget: Budget) -> None:
    """Raise ValueError where it says something that only a newer version knows, or nobody does."""
    words: tuple[tuple[str, tuple[str, ...]], ...] = (
        (budget.period, PERIODS),
        (budget.side, SIDES),
        (budget.on_gate_down, get_args(OnGateDown)),
        *((dimension, DIMENSIONS) for dimension, _ in budget.scope),
        *((rung.do, RUNGS) for rung in budget.ladder),
    )
    for word, known in words:
        if word not in known:
            raise ValueError(f"{word!r} is none of {', '.join(known)}")


def numbered(budgets: Iterable[Budget]) -> dict[str, list[Budget]]:
    """The versions of each budget, numbered in the order in which they were recorded, whatever order they are in."""
    found: dict[str, list[Budget]] = {}
    for one in sorted(budgets, key=lambda each: (each.recorded_at_us, repr(each))):
        versions = found.setdefault(one.id, [])
        versions.append(one._replace(version=len(versions) + 1))
    return found


def _rung(record: Mapping[str, Any]) -> Rung:
    models = tuple(sorted(record["models"].items()))
    return Rung(int(record["at"]), record["do"], models, int(record["burst"]))


def _text(amount: int | None) -> str | None:
    return None if amount is None else format_money(amount)


def _amount(text: str | None) -> int | None:
    return None if text is None else parse_money(text)
