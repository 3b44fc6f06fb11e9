"""The columns that a store has of an entry: one table of names and kinds, from which each store makes its own types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from otel_genai_cost.attributes import LABELS
from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.ledger.entry import Entry, line_record, tokens_of
from otel_genai_cost.pricing.cost import Line
from otel_genai_cost.pricing.money import format_money

__all__ = ["COLUMNS", "ColumnKind", "row_of", "typed", "values_of"]

ColumnKind: TypeAlias = Literal["text", "integer", "bigint", "money", "instant"]

COLUMNS: Final[Mapping[str, ColumnKind]] = {
    "seq": "bigint",
    "id": "text",
    "charge_id": "text",
    "revision": "integer",
    "cause": "text",
    "cause_id": "text",
    "occurred": "instant",
    "booked": "instant",
    "tenant": "text",
    "tenant_source": "text",
    "absent": "text",
    "initiator": "text",
    **dict.fromkeys(LABELS, "text"),
    "labels": "text",
    "service": "text",
    "provider": "text",
    "model": "text",
    "operation": "text",
    "reason": "text",
    "quality": "text",
    "calls": "integer",
    "unpriced": "integer",
    "input_tokens": "bigint",
    "output_tokens": "bigint",
    "usage": "text",
    "lines": "text",
    "amount": "money",
    "currency": "text",
    "book": "text",
    "flags": "text",
    "list_amount": "money",
    "discount_amount": "money",
    "markup_amount": "money",
    "contracts": "text",
    "price": "money",
    "price_currency": "text",
}
"""`amount`, the cost, is the sum of `list_amount`, `discount_amount` (below zero) and `markup_amount`; `price` is what
the customer pays, in `price_currency`. `usage`, `lines` and `labels` are JSON text; everything countable is signed.
A further column goes to the end, and is added to the tables of older versions."""


def typed(kinds: Mapping[ColumnKind, str]) -> dict[str, str]:
    """The columns by a store's own types.

    Args:
        kinds: the type of each kind.
    """
    return {name: kinds[kind] for name, kind in COLUMNS.items()}


def values_of(entry: Entry, money: Callable[[int], object] = format_money) -> dict[str, object]:
    """The columns that an entry has, instants in unix microseconds; those that it lacks are null.

    Args:
        entry: of the ledger.
        money: what is written for an amount of atto: decimal text, unless the store wants another exact value.
    """
    fields: list[Any] = [*entry]
    seq, one, charge_id, revision, cause, cause_id, occurred_us, booked_us, whom, *more = fields
    service, provider, model, operation, reason, quality, calls, unpriced, usage, *rest = more
    lines, amount, currency, book, flags, contracts, _, billed_in = rest
    tenant, source, absent, initiator, labels, _ = whom
    input_tokens, output_tokens = tokens_of(entry)
    discount, markup = _changes(lines)
    values: dict[str, object] = {
        "seq": seq,
        "id": one,
        "charge_id": charge_id,
        "revision": revision,
        "cause": cause,
        "cause_id": cause_id,
        "occurred": occurred_us,
        "booked": booked_us,
        "tenant": tenant,
        "tenant_source": source,
        "absent": absent,
        "initiator": initiator,
        "labels": _json(labels),
        "service": service,
        "provider": provider,
        "model": model,
        "operation": operation,
        "reason": reason,
        "quality": quality,
        "calls": calls,
        "unpriced": unpriced,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "usage": _json(usage),
        "lines": _json([line_record(line) for line in lines]),
        "amount": money(amount),
        "currency": currency,
        "book": book,
        "flags": ",".join(flags),
        "list_amount": money(amount - discount - markup),
        "discount_amount": money(discount),
        "markup_amount": money(markup),
        "contracts": contracts,
        "price": money(entry.price),
        "price_currency": billed_in or currency,
    }
    values.update({label: value for label, value in labels.items() if label in LABELS})
    return values


def row_of(entry: Entry, money: Callable[[int], object] = format_money) -> tuple[object, ...]:
    """The values of an entry, one for each of `COLUMNS`, None where it has none.

    Args:
        entry: of the ledger.
        money: as of `values_of`.
    """
    return tuple(map(values_of(entry, money).get, COLUMNS))


def _json(value: object) -> str:
    return encode_lossy(value).decode()


def _changes(lines: Iterable[Line]) -> tuple[int, int]:
    """Atto of the discounts and of the mark-ups of the cost."""
    discount = markup = 0
    for kind, _, _, _, amount, _, side in lines:
        if side == "cost":
            if kind == "discount":
                discount += amount
            elif kind == "markup":
                markup += amount
    return discount, markup
