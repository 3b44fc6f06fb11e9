"""How an entry is stored: what many have in common as texts, the numbers that are asked for in columns, the rest as a
short JSON array. Its id follows from the charge, the revision and the place, and is written only if it does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.ledger.entry import Entry, entry_id, id_of_entry
from otel_genai_cost.ledger.packed_id import packed_id, shown_id
from otel_genai_cost.ledger.storage.rows import own_body, own_parts
from otel_genai_cost.ledger.storage.texts import Known, Texts
from otel_genai_cost.ledger.storage.whom_text import labels_of, shared_labels
from otel_genai_cost.pricing.cost import Line, Rate, cost_of, rate_of
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.wide_rows import wide_row

__all__ = ["ENTRY", "INSERT_ENTRY", "EntryRows"]

ENTRY: Final = (
    "seq, charge_id, revision, place, occurred_us, booked_us, calls, unpriced, terms, whom, body"
)
"""The columns, in the order that `entry` takes and `rows` gives."""

INSERT_ENTRY: Final = f"INSERT INTO entry ({ENTRY}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"

_TERMS: Final = (
    *("cause", "service", "provider", "model", "operation", "reason", "quality", "currency"),
    *("book", "flags", "contracts", "billed_in"),
)
_FLAGS: Final = _TERMS.index("flags")
_OWN: Final = 7
_INT: Final = frozenset({int})


_Template = tuple[Any, str, Rate, "str | None", Any]
"""Of a line: kind, leaf, rate, contract, side."""


class _Terms(NamedTuple):
    """What many entries say alike."""

    said: tuple[Any, ...]
    leaves: tuple[str, ...]
    lines: tuple[_Template, ...]


class EntryRows:
    """Packs and unpacks.

    Args:
        texts: the dictionary of the file.
    """

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._terms: Known[int, _Terms] = Known(self._terms_of)
        self._whom: Known[int, Attribution] = Known(self._whom_of)

    def forget(self) -> None:
        """After a transaction that failed."""
        self._terms.clear()
        self._whom.clear()

    def rows(self, entries: Iterable[Entry]) -> Iterator[tuple[Any, ...]]:
        """A row for each entry, with the columns of ENTRY."""
        last: tuple[str, int] | None = None
        place = 0
        for entry in entries:
            key = (entry.charge_id, entry.revision)
            place = place + 1 if key == last else 0
            last = key
            yield self._row(entry, place)

    def _row(self, entry: Entry, place: int) -> tuple[Any, ...]:
        is_derived = entry_id(entry.charge_id, entry.revision, place) == entry.id
        number = self._texts.number
        tenant, source, absent, initiator, labels, _ = entry.attribution
        shared, own = shared_labels(labels)
        return (
            entry.seq,
            packed_id(entry.charge_id),
            entry.revision,
            place if is_derived else _place_of(entry.id),
            entry.occurred_us,
            entry.booked_us,
            entry.calls,
            entry.unpriced,
            number(_terms(entry)),
            number((tenant, source, absent, initiator, shared)),
            _own(entry, own, None if is_derived else entry.id),
        )

    def tenant(self, whom: int) -> str | None:
        """The tenant of the entries with that number of a text.

        Raises:
            JournalError, KeyError, TypeError, ValueError: if it is damaged.
        """
        return self._whom(whom).tenant

    def entry(self, row: Sequence[Any]) -> Entry:
        """The entry of a row with the columns of ENTRY.

        Raises:
            JournalError, KeyError, TypeError, ValueError: if it is damaged.
        """
        seq, charge, revision, place, occurred_us, booked_us, calls, unpriced, terms, whom, body = (
            row
        )
        used, amounts, quantities, cause_id, labels, bounds, rare = own_parts(body, _OWN)
        said, leaves, templates = self._terms(terms)
        usage = dict(zip(leaves, used or (), strict=True))
        if quantities is None:
            quantities = [usage[leaf] for _, leaf, _, _, _ in templates]
        numbers = [revision, occurred_us, booked_us, calls, unpriced, *quantities, *usage.values()]
        if not _INT.issuperset(map(type, numbers)):
            raise TypeError("a number of it is none")
        lines = _lines(templates, quantities, amounts or ())
        charge_id = shown_id(charge)
        amount, one = rare or (None, None)
        if one is None:
            is_packed = charge.__class__ is bytes
            one = (id_of_entry if is_packed else entry_id)(charge, revision, place)
        cause, service, provider, model, operation, reason, quality, *more = said
        currency, book, flags, contracts, billed_in = more
        return cast(
            "Entry",
            wide_row(
                Entry,
                (
                    seq,
                    one,
                    charge_id,
                    revision,
                    cause,
                    cause_id,
                    occurred_us,
                    booked_us,
                    self._attribution(whom, labels),
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
                    cost_of(lines) if amount is None else parse_money(amount),
                    currency,
                    book,
                    flags,
                    contracts,
                    None if bounds is None else (parse_money(bounds[0]), parse_money(bounds[1])),
                    billed_in,
                ),
            ),
        )

    def _attribution(self, number: int, own: Sequence[str] | None) -> Attribution:
        """For whom, with a row's own labels."""
        tenant, source, absent, initiator, labels, shares = self._whom(number)
        return Attribution(tenant, source, absent, initiator, labels_of(labels, own), shares)

    def _terms_of(self, number: int) -> _Terms:
        *said, leaves, lines = self._texts.value(number)
        said[_FLAGS] = tuple(said[_FLAGS])
        templates = (
            (kind, leaf, rate_of(unit_price, per), contract, side)
            for kind, side, leaf, unit_price, per, contract in lines
        )
        return _Terms(tuple(said), tuple(leaves), tuple(templates))

    def _whom_of(self, number: int) -> Attribution:
        tenant, source, absent, initiator, labels = self._texts.value(number)
        return Attribution(tenant, source, absent, initiator, labels)


def _lines(
    templates: Sequence[_Template], quantities: Sequence[int], amounts: Sequence[object]
) -> tuple[Line, ...]:
    return tuple(
        [
            cast("Line", wide_row(Line, (kind, leaf, n, rate, parse_money(amount), contract, side)))
            for (kind, leaf, rate, contract, side), n, amount in zip(
                templates, quantities, amounts, strict=True
            )
        ]
    )


def _terms(entry: Entry) -> list[Any]:
    lines = [
        (kind, side, leaf, rate.unit_price, rate.per, contract)
        for kind, leaf, _, rate, _, contract, side in entry.lines
    ]
    return [*_said(entry), [*entry.usage], lines]


_said: Final = attrgetter(*_TERMS)


def _own(entry: Entry, labels: list[str] | None, one: str | None) -> bytes:
    lines, usage = entry.lines, entry.usage
    amount = None if entry.amount == cost_of(lines) else format_money(entry.amount)
    quantities = [line.quantity for line in lines]
    are_usage = [usage.get(line.leaf) for line in lines] == quantities
    parts = [
        [*usage.values()] or None,
        [format_money(line.amount) for line in lines] or None,
        None if are_usage else quantities,
        entry.cause_id,
        labels,
        None if entry.bounds is None else [*map(format_money, entry.bounds)],
        None if amount is None and one is None else [amount, one],
    ]
    return own_body(parts)


def _place_of(one: str) -> int:
    """A place below 0 for an entry whose id does not follow from it, the same for the same id."""
    return -1 - int.from_bytes(blake2b(one.encode(), digest_size=6).digest(), "big")
