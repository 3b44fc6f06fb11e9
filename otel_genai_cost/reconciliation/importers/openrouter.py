"""OpenRouter's activity: finished UTC days, by model and endpoint, in credits, which are US dollars.

Source: the API reference of `GET /api/v1/activity` (openrouter.ai/docs): `usage` is what OpenRouter takes, and
`byok_usage_inference` what a provider takes with a key of one's own. Both together are what the ledger has of such
calls, whose replies say `cost` and `upstream_inference_cost`. The export of its page (CSV) has a row for each
generation, by the name that a model keeps, which may end in a date, and its variant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from otel_genai_cost.reconciliation.bill import BillLine, Money, money_of
from otel_genai_cost.reconciliation.importers.columns import Columns, has_columns
from otel_genai_cost.reconciliation.importers.document import Document, Row, objects_of
from otel_genai_cost.reconciliation.importers.format import UTC, Format, day_of, each, text_of
from otel_genai_cost.reconciliation.importers.words import quantity_of

__all__ = ["GENERATIONS", "OPENROUTER"]

_SLUG: Final = "model_permaslug"
_DATE: Final = re.compile(r"-20\d\d-?\d\d-?\d\d$")


def _is_activity(document: Document) -> bool:
    for row in document.rows:
        if any("requests" in one and "usage" in one for one in objects_of(row.fields, "data")):
            return True
    return False


def _lines(row: Row) -> Iterator[BillLine]:
    yield from each(row.fields["data"], _item)


def _item(item: Mapping[str, Any]) -> Iterator[BillLine]:
    yield BillLine(
        day=day_of(item["date"]),
        kind="usage",
        model=text_of(item["model"]),
        token_type="requests",
        key=None,
        tier="",
        quantity=quantity_of(item["requests"]),
        amount=_both(item),
        list_amount=None,
        currency="USD",
        final=False,
    )


def _both(item: Mapping[str, Any]) -> Money:
    """Exact, to the finer of both last digits: one of them mostly is a bare 0."""
    router, upstream = money_of(item["usage"]), money_of(item["byok_usage_inference"])
    return Money(router.atto + upstream.atto, min(router.unit, upstream.unit))


def _is_export(document: Document) -> bool:
    return has_columns(document.columns, "generation_id", "created_at", "cost_total", _SLUG)


def _generation_id(row: Row) -> str:
    return str(Columns(row.fields).needed("generation_id"))


def _generation(row: Row) -> Iterator[BillLine]:
    said = Columns(row.fields)
    variant = said.text("variant")
    model = _DATE.sub("", str(said.needed(_SLUG)).strip())
    both = {
        "usage": said.needed("cost_total"),
        "byok_usage_inference": said.first("byok_usage_inference") or "0",
    }
    yield BillLine(
        day=day_of(said.needed("created_at")),
        kind="usage",
        model=text_of(model if variant in ("", "standard") else f"{model}:{variant}"),
        token_type="requests",
        key=text_of(said.first("api_key_name")),
        tier="",
        quantity=Fraction(1),
        amount=_both(both),
        list_amount=None,
        currency="USD",
        final=False,
    )


GENERATIONS: Final = Format(
    "OpenRouter export of generations",
    ("openrouter",),
    UTC,
    _is_export,
    _generation,
    id_of=_generation_id,
)
OPENROUTER: Final = Format("OpenRouter activity", ("openrouter",), UTC, _is_activity, _lines)
