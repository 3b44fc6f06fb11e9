"""The next revision of a statement: what entries come to by now, less what was stated before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.statements.gather import Series, Sums, unit_of
from otel_genai_cost.statements.periods import label_of
from otel_genai_cost.statements.rounding import minor_unit, rounded, rounded_lines
from otel_genai_cost.statements.statement import (
    Spread,
    State,
    Statement,
    StatementLine,
    is_spread,
    sealed,
)

__all__ = ["NOT_SPREAD", "Closing", "Part", "lines_of", "next_revision", "plus", "sum_of_lines"]


class Closing(NamedTuple):
    """How periods are closed.

    Attributes:
        now_us: the time, unix microseconds.
        grace_us: how long after its end a period stays open for calls that arrive late.
        accept: `gaps` and `unpriced`, where a period is to be closed with them.
    """

    now_us: int
    grace_us: int
    accept: frozenset[str] = frozenset()


class Part(NamedTuple):
    """What of that which is nobody's a series bears, or where it is nobody's itself, what others bear of it.

    Attributes:
        lines: exact, not rounded yet.
        spread: by which rule; None where nothing is spread.
        closes_us: when the last of those that bear it closes its period, unix microseconds.
        remarks: what else a reader should know.
    """

    lines: tuple[StatementLine, ...] = ()
    spread: Spread | None = None
    closes_us: int = 0
    remarks: tuple[str, ...] = ()


NOT_SPREAD: Final = Part()


def lines_of(sums: Sums) -> list[StatementLine]:
    """What was used, as lines that are not rounded yet; in an order that does not depend on that of the entries."""
    found = [
        StatementLine(
            product=item.product,
            quantity=one.quantity,
            unit=unit_of(item.leaf),
            amount=0,
            exact=one.price,
            cost=one.cost,
            provider=item.provider,
            model=item.model,
            leaf=item.leaf,
        )
        for item, one in sums.items.items()
        if one.quantity or one.price or one.cost
    ]
    return sorted(found, key=_key)


_Key = tuple[str, str, str, str, str]


def _key(line: StatementLine) -> _Key:
    """What a line is about; what is spread comes last."""
    return (
        line.provider or ("~" if is_spread(line) else ""),
        line.model or "",
        line.leaf or "~",
        line.product,
        line.unit,
    )


def sum_of_lines(statements: Iterable[Statement]) -> dict[_Key, StatementLine]:
    """What the lines of all revisions come to, by what they are about.

    Args:
        statements: of one series.
    """
    found: dict[_Key, StatementLine] = {}
    for one in statements:
        for line in one.lines:
            before = found.get(_key(line))
            found[_key(line)] = line if before is None else plus(before, line, 1)
    return found


def plus(one: StatementLine, other: StatementLine, sign: int) -> StatementLine:
    """What two lines about the same come to.

    Args:
        one: whose words it has.
        other: is added.
        sign: 1, or -1 for the difference.
    """
    return one._replace(
        quantity=one.quantity + sign * other.quantity,
        amount=one.amount + sign * other.amount,
        exact=one.exact + sign * other.exact,
        cost=one.cost + sign * other.cost,
    )


def next_revision(
    series: Series,
    sums: Sums,
    lines: Sequence[StatementLine],
    before: Sequence[Statement],
    gaps: int,
    closing: Closing,
    plan: str | None = None,
    obstacles: Sequence[str] = (),
    remarks: Sequence[str] = (),
    part: Part = NOT_SPREAD,
) -> Statement | None:
    """What is to be stated after what was.

    Args:
        series: what it is about.
        sums: of all entries that count by now.
        lines: what they are charged as, exact; their sum, with that of `part`, is what is rounded.
        before: every revision so far, in order.
        gaps: records that are proved to be missing and may be of the period.
        closing: when and how a period is closed.
        plan: that made the lines; None for the prices of the calls.
        obstacles: why the period is not closed, which a reader should know.
        remarks: what else a reader should know.
        part: of what is nobody's.

    Returns:
        A statement whose state says whether it may be kept; None if nothing differs from what was stated, or there is
        nothing to state.
    """
    stated, unit = sum_of_lines(before), minor_unit(series.currency)
    lines, cost = (*lines, *part.lines), sums.cost + sum(line.cost for line in part.lines)
    price = sum(line.exact for line in lines)
    total = rounded(price, unit)
    begun = _begun(series, before)
    was_cost, was_price, was_total = begun.to_date
    made = begun._replace(
        seq_to=max(sums.seq_to, begun.seq_to),
        cost=cost - was_cost,
        price=price - was_price,
        total=total - was_total,
        lines=_differences(lines, stated, total, unit),
        calls=sums.calls - sum(one.calls for one in before),
        plan=plan,
        metered=sums.price - sum(one.metered for one in before),
        to_date=(cost, price, total),
        spread=part.spread,
    )
    if begun.unpriced == sums.unpriced and not _has_news(made):
        return None
    accepted = _accepted(sums.unpriced, gaps, before[-1] if before else None, closing)
    made = made._replace(
        unpriced=sums.unpriced,
        gaps=gaps,
        accepted=accepted,
        causes=dict(sums.causes),
        notes=(*obstacles, *remarks, *part.remarks),
    )
    closes_us = max(made.period_to_us, part.closes_us)
    return sealed(made._replace(state=_state(made, closing, closes_us, is_held=bool(obstacles))))


def _has_news(one: Statement) -> bool:
    """Whether a difference has anything in it."""
    return any((one.cost, one.price, one.total, one.lines, one.calls, one.metered))


def _begun(series: Series, before: Sequence[Statement]) -> Statement:
    """A revision that says nothing new yet."""
    last = before[-1] if before else None
    return Statement(
        tenant=series.tenant,
        period_from_us=series.period.from_us,
        period_to_us=series.period.to_us,
        zone=series.period.zone,
        revision=len(before) + 1,
        seq_from=1 if last is None else last.seq_to + 1,
        seq_to=0 if last is None else last.seq_to,
        currency=series.currency,
        cost=0,
        price=0,
        lines=(),
        total=0,
        unpriced=0 if last is None else last.unpriced,
        gaps=0,
        whose=series.whose,
        cadence=series.calendar.cadence,
        label=label_of(series.calendar, series.period.first_day),
        anchor=series.calendar.anchor,
        scope=series.scope,
        scope_value=series.scope_value,
        cost_currency=series.cost_currency,
        previous=None if last is None else last.digest,
        to_date=(0, 0, 0) if last is None else last.to_date,
    )


def _differences(
    lines: Sequence[StatementLine], stated: dict[_Key, StatementLine], total: int, unit: int
) -> tuple[StatementLine, ...]:
    """Lines less those stated, of which what is in both as it was keeps its amount if that is possible."""
    now = {_key(line): line for line in lines}
    nothing = {key: line._replace(quantity=0, exact=0, cost=0) for key, line in stated.items()}
    every = sorted({**nothing, **now}.items())
    kept = [_kept(line, stated.get(key)) for key, line in every]
    amounts = rounded_lines([line.exact for _, line in every], total, unit, kept)
    found: list[StatementLine] = []
    for (key, line), amount in zip(every, amounts, strict=True):
        line = line._replace(amount=amount)
        was = stated.get(key)
        found.append(line if was is None else plus(line, was, -1))
    return tuple(line for line in found if any((line.quantity, line.amount, line.exact, line.cost)))


def _kept(line: StatementLine, was: StatementLine | None) -> int | None:
    """The amount of a line that nothing was added to."""
    return was.amount if was is not None and was.exact == line.exact else None


def _state(one: Statement, closing: Closing, closes_us: int, *, is_held: bool) -> State:
    if closing.now_us < closes_us + closing.grace_us:
        return "open"
    found = {"gaps": one.gaps, "unpriced": one.unpriced}
    is_doubtful = any(count and name not in one.accepted for name, count in found.items())
    return "blocked" if is_doubtful or is_held else "stated"


def _accepted(
    unpriced: int, gaps: int, last: Statement | None, closing: Closing
) -> tuple[str, ...]:
    """What a period is closed with: what somebody accepts now, and what was accepted before and has not grown."""
    found = {"gaps": gaps, "unpriced": unpriced}
    known = {} if last is None else {"gaps": last.gaps, "unpriced": last.unpriced}
    before = () if last is None else last.accepted
    return tuple(
        name
        for name, count in found.items()
        if count and (name in closing.accept or (name in before and count <= known[name]))
    )
