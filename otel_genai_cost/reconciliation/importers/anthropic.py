"""Anthropic's cost report, analytics of costs, and usage report, as the Admin API answers: money is text of cents.

Source: the API reference of `GET /v1/organizations/cost_report` and `/v1/organizations/usage_report/messages`
(platform.claude.com), and of `/v1/organizations/analytics/cost`, as the types of anthropic-python 2.14
(`anthropic.types.beta.organization.analytics`) have it: `amount` is after discounts and before credits, `list_amount`
before both. A report of costs has no quantities, the one of usage no money; give both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.reconciliation.bill import BillLine, money_of
from otel_genai_cost.reconciliation.importers.document import (
    Document,
    Row,
    objects_of,
    part_of,
)
from otel_genai_cost.reconciliation.importers.format import (
    UTC,
    Format,
    currency_of,
    day_of,
    each,
    text_of,
)
from otel_genai_cost.reconciliation.importers.words import (
    kind_of_words,
    leaf_and_tier,
    quantity_of,
    tier_of,
)

__all__ = ["ANTHROPIC"]

_TOKENS: Final[Mapping[str, str]] = {
    "uncached_input_tokens": "input",
    "cache_read_input_tokens": "cache_read",
    "output_tokens": "output",
}
_WRITTEN: Final[Mapping[str, str]] = {
    "ephemeral_5m_input_tokens": "cache_write_5m",
    "ephemeral_1h_input_tokens": "cache_write_1h",
}


def _is_anthropic(document: Document) -> bool:
    """Whether its pages are of buckets that begin at an instant."""
    for row in document.rows:
        if "data" not in row.fields or "object" in row.fields:
            return False
        if any("starting_at" in one for one in objects_of(row.fields, "data")):
            return True
    return False


def _pages(row: Row) -> Iterator[BillLine]:
    yield from each(row.fields["data"], _bucket)


def _bucket(bucket: Mapping[str, Any]) -> Iterator[BillLine]:
    day = day_of(bucket["starting_at"])
    if "results" in bucket:
        yield from each(bucket["results"], lambda result: _result(day, result))
    else:
        yield from _result(day, {**bucket["group"], **bucket["cost"]})


def _result(day: str, said: Mapping[str, Any]) -> Iterator[BillLine]:
    if "amount" in said:
        yield _cost(day, said)
    else:
        yield from _usage(day, said)


def _cost(day: str, said: Mapping[str, Any]) -> BillLine:
    description = text_of(said.get("description")) or ""
    words = text_of(said.get("token_type")) or text_of(said.get("cost_type")) or description
    leaf, tier = leaf_and_tier(words)
    model = text_of(said.get("model"))
    kind = None if model or leaf else kind_of_words(description or words)
    listed = said.get("list_amount")
    is_cost_type = kind is None and leaf is None and said.get("cost_type") is not None
    return BillLine(
        day=day,
        kind=kind or "usage",
        model=model,
        token_type=text_of(said["cost_type"]) if is_cost_type else leaf,
        key=_key(said),
        tier=_tier(said) or tier,
        quantity=None,
        amount=money_of(said["amount"], hundredths=True),
        list_amount=None if listed is None else money_of(listed, hundredths=True).atto,
        currency=currency_of(said.get("currency")),
        final=False,
        what="" if model else description or words,
    )


def _tier(said: Mapping[str, Any]) -> str:
    return tier_of(said.get("service_tier")) or tier_of(said.get("speed"))


def _key(said: Mapping[str, Any]) -> str | None:
    return text_of(said.get("api_key_id")) or text_of(said.get("workspace_id"))


def _usage(day: str, said: Mapping[str, Any]) -> Iterator[BillLine]:
    written, searches = part_of(said, "cache_creation"), part_of(said, "server_tool_use")
    counts: dict[str, Any] = {
        **{leaf: said.get(name) for name, leaf in _TOKENS.items()},
        **{leaf: written.get(name) for name, leaf in _WRITTEN.items()},
        "web_searches": searches.get("web_search_requests"),
    }
    for leaf, many in counts.items():
        if many:
            yield BillLine(
                day=day,
                kind="usage",
                model=text_of(said["model"]),
                token_type=leaf,
                key=_key(said),
                tier=_tier(said),
                quantity=quantity_of(many),
                amount=None,
                list_amount=None,
                currency="USD",
                final=False,
            )


ANTHROPIC: Final = Format("Anthropic", ("anthropic",), UTC, _is_anthropic, _pages)
