"""FOCUS, CSV or Parquet, of whatever provider: one line a charge, by the names of the specification.

Source: FOCUS 1.2 (focus.finops.org/focus-specification), and Azure's export of it, whose `x_SkuMeterName` is the meter.
`BilledCost` is compared, and `ListCost` tells what is off it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from otel_genai_cost.reconciliation.bill import BillLine, BillLineKind, money_of
from otel_genai_cost.reconciliation.importers.columns import Columns, has_columns
from otel_genai_cost.reconciliation.importers.document import Document, Row
from otel_genai_cost.reconciliation.importers.format import (
    UTC,
    Format,
    currency_of,
    day_of,
    text_of,
)
from otel_genai_cost.reconciliation.importers.meter import meter_of, times_of
from otel_genai_cost.reconciliation.importers.words import kind_of_words, quantity_of

__all__ = ["FOCUS"]

_KINDS: Final[Mapping[str, BillLineKind]] = {
    "usage": "usage",
    "purchase": "usage",
    "tax": "tax",
    "credit": "credit",
    "adjustment": "credit",
}
_AI: Final = "AI and Machine Learning"
_METERS: Final = ("x_sku_meter_name", "sku_meter", "charge_description", "sku_id")


def _is_focus(document: Document) -> bool:
    return has_columns(document.columns, "charge_period_start", "billed_cost", "charge_category")


def _lines(row: Row) -> Iterator[BillLine]:
    said = Columns(row.fields)
    if said.text("service_category") not in ("", _AI):
        return
    word = said.text("charge_category").lower()
    if word not in _KINDS:
        raise ValueError(f"no category of charge that is known: {word[:60]!r}")
    meters = [meter_of(text) for name in _METERS if (text := said.text(name))]
    meter = next((one for one in meters if one.leaf), meter_of(""))
    kind = _kind(_KINDS[word], said.text("charge_description"))
    listed, is_usage = said.first("list_cost"), kind == "usage"
    yield BillLine(
        day=day_of(said.needed("charge_period_start")),
        kind=kind,
        model=meter.model if is_usage else None,
        token_type=meter.leaf if is_usage else None,
        key=text_of(said.first("resource_id", "sub_account_id")),
        tier=meter.tier,
        quantity=_quantity(said) if is_usage else None,
        amount=money_of(said.needed("billed_cost")),
        list_amount=money_of(listed).atto if is_usage and listed is not None else None,
        currency=currency_of(said.first("billing_currency")),
        final=bool(said.text("invoice_id")),
        what="" if is_usage and meter.leaf else said.text("charge_description", "sku_id"),
    )


def _kind(kind: BillLineKind, words: str) -> BillLineKind:
    """An adjustment may be of any kind; its words say of which."""
    return kind if kind in ("usage", "tax") else kind_of_words(words) or kind


def _quantity(said: Columns) -> Fraction | None:
    for quantity, unit in (
        ("consumed_quantity", "consumed_unit"),
        ("pricing_quantity", "pricing_unit"),
    ):
        times = times_of(said.text(unit))
        if said.first(quantity) is not None and times is not None:
            return quantity_of(said.first(quantity), times)
    return None


FOCUS: Final = Format("FOCUS", (), UTC, _is_focus, _lines)
