"""From what a charge comes to and what is posted already to the entries that make up the difference. Pure.

The sums telescope: whatever was posted before, in whatever order observations came, the net of a charge's entries is
its latest verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.vocabulary import Cause
from otel_genai_cost.wide_rows import wide_row

__all__ = ["Posted", "net", "post"]

_LineKey = tuple[str, str, str, str, int, str | None]


class Posted(NamedTuple):
    """The net of a charge's entries so far: one position for each share, and the latest revision."""

    revision: int
    positions: tuple[Position, ...]


def post(
    charge_id: str,
    wanted: tuple[Position, ...],
    posted: Posted | None,
    *,
    cause: Cause,
    cause_id: str | None,
    booked_us: int,
    flags: tuple[str, ...] = (),
) -> tuple[Entry, ...]:
    """The entries that take a charge from what is posted to what is wanted.

    Where a key changed, the old net is reversed under its old keys and the new one posted in full; else one entry has
    the difference. So what reports group by never holds a difference without the call that it is a difference of.

    Args:
        charge_id: 32 hex digits.
        wanted: what it comes to now; empty if it was merged into another charge.
        posted: its net so far; None for a new charge.
        cause: why.
        cause_id: what brought it about: an observation's id, or the digest of a book or of contracts.
        booked_us: the time of posting, unix microseconds.
        flags: of the charge.

    Returns:
        Nothing if nothing changed. Their `seq` is 0 until the ledger gives it.
    """
    revision = 0 if posted is None else posted.revision + 1
    return tuple(
        _entry(
            step,
            charge_id=charge_id,
            revision=revision,
            place=place,
            cause=cause,
            cause_id=cause_id,
            booked_us=booked_us,
            flags=flags,
        )
        for place, step in enumerate(_steps(posted.positions if posted else (), wanted))
    )


def _steps(before: tuple[Position, ...], wanted: tuple[Position, ...]) -> list[Position]:
    """The signed positions that lead from the ones to the others."""
    if not before:
        return list(wanted)
    if not _is_same_key(before, wanted):
        return [_minus(_nothing(old), old) for old in before] + list(wanted)
    olds = before if len(before) == 1 else _in_order_of(wanted, before)
    steps = (_minus(new, old) for new, old in zip(wanted, olds, strict=True))
    return [step for step in steps if not _is_nothing(step)]


def _is_same_key(before: tuple[Position, ...], wanted: tuple[Position, ...]) -> bool:
    """Whether both are filed under the same keys; the usual case, one of each, spells no attribution out."""
    if len(before) != 1 or len(wanted) != 1:
        return {old.key for old in before} == {new.key for new in wanted}
    old, new = before[0], wanted[0]
    same = old.attribution is new.attribution or repr(old.attribution) == repr(new.attribution)
    return same and old.filed == new.filed


def _in_order_of(
    wanted: tuple[Position, ...], before: tuple[Position, ...]
) -> tuple[Position, ...]:
    by_key = {old.key: old for old in before}
    return tuple(by_key[new.key] for new in wanted)


def _nothing(position: Position) -> Position:
    return position._replace(calls=0, unpriced=0, usage={}, lines=())


def _is_nothing(position: Position) -> bool:
    return not (position.lines or position.usage or position.calls or position.unpriced)


def _minus(new: Position, old: Position) -> Position:
    """`new - old`, under the keys of `old` where `new` is nothing."""
    usage: dict[str, int] = {}
    if new.usage != old.usage:
        usage = {
            leaf: difference
            for leaf in dict.fromkeys((*new.usage, *old.usage))
            if (difference := new.usage.get(leaf, 0) - old.usage.get(leaf, 0))
        }
    return new._replace(
        calls=new.calls - old.calls,
        unpriced=new.unpriced - old.unpriced,
        usage=usage,
        lines=_line_differences(new.lines, old.lines),
    )


def _line_differences(new: tuple[Line, ...], old: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines that lead from the old ones to the new ones.

    Lines of the same kind, side, leaf, rate and contract cancel out, whatever their quantities; a rate that changed
    leaves two lines, the new one and the old one negative, since no one rate says what happened. Amounts are
    subtracted, not worked out anew: a line that was split or rounded is taken back to the last unit.
    """
    if new == old:
        return ()
    sums: dict[_LineKey, tuple[int, int, Line]] = {}
    for sign, lines in ((1, new), (-1, old)):
        for line in lines:
            kind, leaf, quantity, rate, amount, contract, side = line
            key = (kind, side, leaf, rate.unit_price, rate.per, contract)
            known = sums.get(key)
            if known is None:
                sums[key] = (sign * quantity, sign * amount, line)
            else:
                sums[key] = (known[0] + sign * quantity, known[1] + sign * amount, line)
    return tuple(
        line._replace(quantity=quantity, amount=amount)
        for quantity, amount, line in sums.values()
        if quantity or amount
    )


def net(entries: Iterable[Entry]) -> Posted | None:
    """The net of one charge.

    Args:
        entries: all of them, in order. What was reconciled with an invoice is no part of what was charged.

    Returns:
        None if there are no entries.
    """
    entries = tuple(entries)
    if len(entries) == 1 and entries[0].cause != "reconciled":
        only = _position_of(entries[0])
        return Posted(entries[0].revision, () if _is_nothing(only) else (only,))
    revision = -1
    sums: dict[tuple[object, ...], Position] = {}
    for entry in entries:
        if entry.cause == "reconciled":
            continue
        revision = max(revision, entry.revision)
        step = _position_of(entry)
        known = sums.get(step.key)
        sums[step.key] = step if known is None else _minus(step, _negative(known))
    left = tuple(position for position in sums.values() if not _is_nothing(position))
    return None if revision < 0 else Posted(revision, left)


def _negative(position: Position) -> Position:
    return position._replace(
        calls=-position.calls,
        unpriced=-position.unpriced,
        usage={leaf: -n for leaf, n in position.usage.items()},
        lines=tuple(
            line._replace(quantity=-line.quantity, amount=-line.amount) for line in position.lines
        ),
    )


def _position_of(entry: Entry) -> Position:
    """What one entry posts, by the place of its fields."""
    _, _, _, _, _, _, occurred_us, _, attribution, service, provider, model, operation, *more = (
        entry
    )
    reason, quality, calls, unpriced, usage, lines, _, currency, book, _, *terms = more
    contracts, bounds, billed_in = terms
    return cast(
        "Position",
        wide_row(
            Position,
            (
                occurred_us,
                attribution,
                service,
                provider,
                model,
                operation,
                currency,
                reason,
                quality,
                book,
                calls,
                unpriced,
                usage,
                lines,
                contracts,
                bounds,
                billed_in,
            ),
        ),
    )


def _entry(
    step: Position,
    *,
    charge_id: str,
    revision: int,
    place: int,
    cause: Cause,
    cause_id: str | None,
    booked_us: int,
    flags: tuple[str, ...],
) -> Entry:
    """The fields by their place: an entry is made for every call."""
    occurred_us, attribution, service, provider, model, operation, currency, *more = step
    reason, quality, book, calls, unpriced, usage, lines, contracts, bounds, billed_in = more
    one = entry_id(charge_id, revision, place)
    return cast(
        "Entry",
        wide_row(
            Entry,
            (
                0,
                one,
                charge_id,
                revision,
                cause,
                cause_id,
                occurred_us,
                booked_us,
                attribution,
                service,
                provider,
                model,
                operation,
                reason,
                quality,
                calls,
                unpriced,
                usage,
                lines,
                step.amount,
                currency,
                book,
                flags,
                contracts,
                bounds,
                billed_in,
            ),
        ),
    )
