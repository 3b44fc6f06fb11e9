"""Azure's cost details, CSV or Parquet: a line a day and meter; the lines of Azure OpenAI and of models in Foundry.

Source: the schema of cost details
(learn.microsoft.com/azure/cost-management-billing/dataset-schema/cost-usage-details-ea and -mca). The model, the type
of tokens, the tier and the scope are words of `meterName`, such as `gpt-4o-0806-Inp-glbl Tokens`. It is refreshed every
four hours, and late usage has the day of its report.
"""

from __future__ import annotations

import re
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
from otel_genai_cost.reconciliation.importers.words import quantity_of

__all__ = ["COST_DETAILS"]

_KINDS: Final[Mapping[str, BillLineKind]] = {
    "usage": "usage",
    "purchase": "usage",
    "refund": "credit",
    "credit": "credit",
    "adjustment": "credit",
    "tax": "tax",
    "roundingadjustment": "rounding",
}
_ABOUT: Final = (
    "meter_category",
    "meter_sub_category",
    "product_name",
    "product",
    "consumed_service",
)
_OURS: Final = re.compile(
    r"openai|cognitive|foundry|azure ai|machine learning|\bai\b", re.IGNORECASE
)
_AMERICAN: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4})")


def _is_details(document: Document) -> bool:
    return has_columns(document.columns, "date", "meter_name", "charge_type")


def _lines(row: Row) -> Iterator[BillLine]:
    said = Columns(row.fields)
    if not any(_OURS.search(said.text(name)) for name in _ABOUT):
        return
    word = said.text("charge_type").lower().replace(" ", "")
    if word not in _KINDS:
        raise ValueError(f"no type of charge that is known: {word[:60]!r}")
    kind, meter = _KINDS[word], meter_of(said.text("meter_name"))
    is_usage = kind == "usage"
    listed = said.first("payg_cost_in_billing_currency", "pay_gcost_in_billing_currency")
    yield BillLine(
        day=_day(str(said.needed("date"))),
        kind=kind,
        model=meter.model if is_usage else None,
        token_type=meter.leaf if is_usage else None,
        key=text_of(said.text("resource_id", "instance_id").rpartition("/")[2]),
        tier=meter.tier,
        quantity=_quantity(said) if is_usage else None,
        amount=money_of(said.needed("cost_in_billing_currency", "pre_tax_cost", "cost")),
        list_amount=money_of(listed).atto if is_usage and listed else None,
        currency=currency_of(said.first("billing_currency_code", "billing_currency", "currency")),
        final=False,
        what="" if is_usage and meter.leaf else said.text("meter_name", "product_name"),
    )


def _day(text: str) -> str:
    found = _AMERICAN.match(text)
    return day_of(text if found is None else f"{found[3]}-{found[1]}-{found[2]}")


def _quantity(said: Columns) -> Fraction | None:
    times = times_of(f"{said.text('unit_of_measure')} tokens")
    return quantity_of(said.first("quantity"), times or 1)


COST_DETAILS: Final = Format(
    "Azure cost details",
    ("azure.ai.openai", "azure.ai.inference"),
    UTC,
    _is_details,
    _lines,
)
