"""AWS Cost and Usage Report 2.0, CSV or Parquet: the lines of Amazon Bedrock, by the hour.

Source: the data dictionary of CUR 2.0 (docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html). The type
of tokens, the tier and the model are words of `line_item_usage_type`; a resource that is a foundation model or an
inference profile, and the product of what the marketplace sells, name the model better. `bill_invoice_id` is empty
until the bill is final.
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

__all__ = ["CUR"]

_KINDS: Final[Mapping[str, BillLineKind]] = {
    "usage": "usage",
    "discountedusage": "usage",
    "savingsplancoveredusage": "usage",
    "fee": "usage",
    "tax": "tax",
    "credit": "credit",
    "refund": "credit",
    "edpdiscount": "discount",
    "bundleddiscount": "discount",
    "privateratediscount": "discount",
    "sppdiscount": "discount",
    "discount": "discount",
    "savingsplannegation": "discount",
}
_MODEL: Final = re.compile(r":(?:foundation-model|inference-profile)/(?P<model>[^/]+)$")
_EDITION: Final = re.compile(r"(?P<model>[A-Za-z0-9][\w .+-]*?) \(Amazon Bedrock Edition\)")
"""The product of a model that is sold by the marketplace, whose usage types name none."""

_SAYS: Final = (
    *(
        "line_item_product_code",
        "product_product_name",
        "product_servicename",
        "product_servicecode",
    ),
    *("line_item_line_item_description", "line_item_resource_id", "product"),
)


def _is_cur(document: Document) -> bool:
    return has_columns(
        document.columns,
        "line_item_usage_start_date",
        "line_item_line_item_type",
        "line_item_unblended_cost",
    )


def _lines(row: Row) -> Iterator[BillLine]:
    said = Columns(row.fields)
    if not any("bedrock" in said.text(name).lower() for name in _SAYS):
        return
    kind = _kind(said.text("line_item_line_item_type"))
    usage_type = said.text("line_item_usage_type")
    meter = meter_of(usage_type)
    of_product = said.text("product_model", "product_model_name")
    model = _named(said) or of_product or meter.model
    listed = said.first("pricing_public_on_demand_cost")
    is_usage = kind == "usage"
    yield BillLine(
        day=day_of(said.needed("line_item_usage_start_date")),
        kind=kind,
        model=text_of(model) if is_usage else None,
        token_type=meter.leaf if is_usage else None,
        key=text_of(said.first("line_item_iam_principal", "line_item_usage_account_id")),
        tier=meter.tier,
        quantity=_quantity(said) if is_usage else None,
        amount=money_of(said.needed("line_item_net_unblended_cost", "line_item_unblended_cost")),
        list_amount=money_of(listed).atto if is_usage and listed else None,
        currency=currency_of(said.first("line_item_currency_code")),
        final=bool(said.text("bill_invoice_id")),
        what=""
        if is_usage and meter.leaf
        else usage_type or said.text("line_item_line_item_description"),
    )


def _named(said: Columns) -> str | None:
    found = _MODEL.search(said.text("line_item_resource_id"))
    editions = (_EDITION.search(said.text(name)) for name in _SAYS)
    found = found or next(filter(None, editions), None)
    return None if found is None else found["model"]


def _kind(word: str) -> BillLineKind:
    kind = _KINDS.get(word.lower().replace("_", "").replace(" ", ""))
    if kind is None:
        raise ValueError(f"no type of line that is known: {word[:60]!r}")
    return kind


def _quantity(said: Columns) -> Fraction | None:
    units = said.text("pricing_unit"), said.text("line_item_line_item_description")
    times = next((found for unit in units if (found := times_of(unit)) is not None), None)
    return None if times is None else quantity_of(said.first("line_item_usage_amount"), times)


CUR: Final = Format("AWS CUR 2.0", ("aws.bedrock",), UTC, _is_cur, _lines)
