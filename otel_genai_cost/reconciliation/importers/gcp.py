"""Google Cloud's billing export to BigQuery, standard or detailed, as JSON Lines or Parquet: by the hour.

Source: the schema of the standard usage cost data
(docs.cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage). The console's and the invoice's
days are Pacific, the export's instants UTC. Credits stand within the line that they are of; `cost_type` tells taxes,
adjustments and rounding. Claude on Vertex AI has no labels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from fractions import Fraction
from typing import Any, Final

from otel_genai_cost.pricing.instants import microseconds, zone_of
from otel_genai_cost.reconciliation.bill import BillLine, BillLineKind, money_of
from otel_genai_cost.reconciliation.importers.document import Document, Row, part_of
from otel_genai_cost.reconciliation.importers.format import Format, currency_of, each, text_of
from otel_genai_cost.reconciliation.importers.meter import meter_of, times_of
from otel_genai_cost.reconciliation.importers.words import quantity_of

__all__ = ["BIGQUERY"]

_ZONE: Final = "America/Los_Angeles"
_COST_TYPES: Final[Mapping[str, BillLineKind]] = {
    "regular": "usage",
    "tax": "tax",
    "adjustment": "credit",
    "rounding_error": "rounding",
}
_CREDITS: Final[Mapping[str, BillLineKind]] = {
    "PROMOTION": "credit",
    "FREE_TIER": "credit",
    "SUBSCRIPTION_BENEFIT": "credit",
}
_SERVICES: Final = re.compile(
    r"vertex|gemini|generative|claude|anthropic|agent platform", re.IGNORECASE
)


def _is_export(document: Document) -> bool:
    return bool(document.rows) and all(
        {"usage_start_time", "sku", "cost"} <= {*row.fields} for row in document.rows
    )


def _lines(row: Row) -> Iterator[BillLine]:
    said = row.fields
    sku = text_of(part_of(said, "sku").get("description")) or ""
    service = text_of(part_of(said, "service").get("description")) or ""
    word = text_of(said.get("cost_type")) or "regular"
    if not (_SERVICES.search(service) or _SERVICES.search(sku)) and word == "regular":
        return
    if word not in _COST_TYPES:
        raise ValueError(f"no type of cost that is known: {word!r}")
    line = _line(said, sku, _COST_TYPES[word])
    yield line
    yield from each([*(said.get("credits") or ())], lambda one: _credit(line, one))


def _line(said: Mapping[str, Any], sku: str, kind: BillLineKind) -> BillLine:
    meter, is_usage = meter_of(sku), kind == "usage"
    final = text_of(part_of(said, "invoice").get("month")) is not None
    return BillLine(
        day=_day(said["usage_start_time"]),
        kind=kind,
        model=meter.model if is_usage else None,
        token_type=meter.leaf if is_usage else None,
        key=text_of(part_of(said, "project").get("id")),
        tier=meter.tier,
        quantity=_quantity(part_of(said, "usage")) if is_usage else None,
        amount=money_of(said["cost"]),
        list_amount=None,
        currency=currency_of(said["currency"]),
        final=final and not is_usage,
        what="" if is_usage and meter.leaf else sku or kind,
    )


def _credit(line: BillLine, credit: Mapping[str, Any]) -> Iterator[BillLine]:
    kind = _CREDITS.get(str(credit.get("type") or ""), "discount")
    name = text_of(credit.get("name")) or kind
    yield line._replace(
        kind=kind,
        model=None,
        token_type=None,
        tier="",
        quantity=None,
        amount=money_of(credit["amount"]),
        what=name,
    )


def _day(value: Any) -> str:
    """The Pacific day of an instant: `2026-10-01 05:00:00 UTC`, with an offset, or as Parquet has it."""
    text = str(value).strip().removesuffix(" UTC").replace(" ", "T", 1)
    has_offset = text.endswith("Z") or re.search(r"[+-]\d\d:\d\d$", text)
    us = microseconds(text if has_offset else f"{text}Z")
    at = datetime.fromtimestamp(us // 1_000_000, timezone.utc)
    return at.astimezone(zone_of(_ZONE)).date().isoformat()


def _quantity(usage: Mapping[str, Any]) -> Fraction | None:
    times = times_of(str(usage.get("unit") or "count"))
    return quantity_of(usage.get("amount"), times or 1)


BIGQUERY: Final = Format(
    "GCP BigQuery export",
    ("gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai"),
    _ZONE,
    _is_export,
    _lines,
)
