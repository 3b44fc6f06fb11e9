"""OpenAI's costs and usage, as the Administration API answers: pages of buckets, a UTC day each.

Source: the API reference of `GET /v1/organization/costs` and `/v1/organization/usage/completions`, as the types of
openai-python 3.57 (`openai.types.admin.organization`) have them. `line_item` is "MODEL, TOKEN TYPE"; `quantity` comes
with grouping by it. A tier may stand before it, `priority | MODEL, …`, and the modality of the tokens after the model,
`MODEL image, output`; amounts are numbers or texts. Of usage, `input_tokens` includes what was cached and written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, Final

from otel_genai_cost.reconciliation.bill import BillLine, money_of
from otel_genai_cost.reconciliation.importers.document import Document, Row, objects_of
from otel_genai_cost.reconciliation.importers.format import (
    UTC,
    Format,
    currency_of,
    each,
    text_of,
)
from otel_genai_cost.reconciliation.importers.words import (
    TIERS,
    kind_of_words,
    leaf_and_tier,
    quantity_of,
    tier_of,
    unit_of,
)

__all__ = ["COSTS", "USAGE"]

_OPENAI: Final = ("openai",)
_COSTS: Final = "organization.costs.result"
_USAGE: Final = "organization.usage."
_PARTS: Final[Mapping[str, str]] = {
    "input_cached_text_tokens": "cache_read",
    "input_cached_image_tokens": "cache_read",
    "input_cached_audio_tokens": "cache_read_audio",
    "input_cache_write_30m_tokens": "cache_write_5m",
    "input_cache_write_12h_tokens": "cache_write_12h",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
    "characters": "characters",
    "images": "images",
}
_OF_WHAT: Final = frozenset({"text", "audio", "image", "video"})
_COUNTS: Final = frozenset({"images", "characters"})


def _is(document: Document, prefix: str) -> bool:
    """Whether the first result that there is begins so."""
    for row in document.rows:
        for bucket in _buckets(row.fields):
            results = objects_of(bucket, "results") or objects_of(bucket, "result")
            if results:
                return str(results[0].get("object")).startswith(prefix)
    return False


def _is_empty(document: Document) -> bool:
    """Whether it is of OpenAI, and has no result."""
    buckets = [one for row in document.rows for one in _buckets(row.fields)]
    are_pages = bool(document.rows) and all(
        row.fields.get("object") in ("page", "bucket") for row in document.rows
    )
    return are_pages and not any(one.get("results", one.get("result")) for one in buckets)


def _buckets(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [page] if page.get("object") == "bucket" else objects_of(page, "data")


def _pages(row: Row) -> Iterator[BillLine]:
    yield from each(row.fields.get("data", [row.fields]), _bucket)


def _bucket(bucket: Mapping[str, Any]) -> Iterator[BillLine]:
    start_s = bucket["start_time"]
    if type(start_s) is not int:
        raise ValueError(f"start_time is no unix second: {start_s!r}")
    day = datetime.fromtimestamp(start_s, timezone.utc).date().isoformat()
    results = bucket["results"] if "results" in bucket else bucket["result"]
    yield from each(results, lambda result: _result(day, result))


def _result(day: str, result: Mapping[str, Any]) -> Iterator[BillLine]:
    what = result["object"]
    if what == _COSTS:
        yield _cost(day, result)
    elif str(what).startswith(_USAGE):
        yield from _usage(day, result)
    else:
        raise ValueError(f"no result that is known: {what!r}")


def _cost(day: str, result: Mapping[str, Any]) -> BillLine:
    amount, item = result["amount"], text_of(result.get("line_item"))
    model, leaf, tier, of_unit, times = None, None, "", None, 1
    if item is not None:
        model, words = _model_and_words(item)
        leaf, tier = leaf_and_tier(words)
        times, of_unit = unit_of(text_of(result.get("quantity_unit")))
    kind = None if item is None or leaf is not None else kind_of_words(item)
    return BillLine(
        day=day,
        kind=kind or "usage",
        model=model if leaf is not None else None,
        token_type=leaf or (of_unit if model else None),
        key=_key(result),
        tier=tier,
        quantity=quantity_of(result.get("quantity"), times),
        amount=money_of(amount["value"]),
        list_amount=None,
        currency=currency_of(amount["currency"]),
        final=False,
        what="" if leaf is not None else item or "",
    )


def _model_and_words(item: str) -> tuple[str, str]:
    """The model's name, and what is said of it: a tier may stand before the comma, have one of its own, or stand before
    the model and a bar; what the tokens are of stands behind the model."""
    before, bar, behind = item.partition(" | ")
    if bar and tier_of(before) in TIERS:
        model, words = _model_and_words(behind)
        return model, f"{words} {before}"
    named, _, words = (part.strip() for part in item.partition(","))
    model, _, last = named.rpartition(" ")
    if model and words and (tier_of(last.strip("()")) in TIERS or last in _OF_WHAT):
        return model, f"{last} {words}"
    return (named, words) if words else ("", item)


def _key(result: Mapping[str, Any]) -> str | None:
    return text_of(result.get("api_key_id")) or text_of(result.get("project_id"))


def _usage(day: str, result: Mapping[str, Any]) -> Iterator[BillLine]:
    tier = "batch" if result.get("batch") else tier_of(result.get("service_tier"))
    for leaf, quantity in _leaves(result).items():
        if quantity:
            yield BillLine(
                day=day,
                kind="usage",
                model=text_of(result["model"]),
                token_type=leaf,
                key=_key(result),
                tier=tier,
                quantity=quantity_of(quantity),
                amount=None,
                list_amount=None,
                currency="USD",
                final=False,
            )


def _leaves(result: Mapping[str, Any]) -> dict[str, int]:
    """Disjoint leaves; what is left of the totals after their parts is text."""
    found = dict[str, int]()
    for name, leaf in _PARTS.items():
        if many := _count(result, name):
            found[leaf] = found.get(leaf, 0) + many
    if not found.get("cache_read"):
        found["cache_read"] = _count(result, "input_cached_tokens") - found.get(
            "cache_read_audio", 0
        )
    written = found.get("cache_write_5m", 0) + found.get("cache_write_12h", 0)
    found["cache_write"] = (
        _count(result, "input_cache_write_tokens") - written if not written else 0
    )
    for total in ("input", "output"):
        parts = sum(n for leaf, n in found.items() if leaf.startswith(_OF[total]))
        found[total] = _count(result, f"{total}_tokens") - parts
    if min(found.values()) < 0:
        raise ValueError("the parts are more than their total")
    return found


_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "input": ("input_", "cache_"),
    "output": ("output_",),
}


def _count(result: Mapping[str, Any], name: str) -> int:
    many = result.get(name) or 0
    if type(many) is not int or many < 0:
        raise ValueError(f"{name} is no count: {many!r}")
    return many


def _is_costs(document: Document) -> bool:
    return _is(document, _COSTS) or _is_empty(document)


def _is_usage(document: Document) -> bool:
    return _is(document, _USAGE)


COSTS: Final = Format("OpenAI costs", _OPENAI, UTC, _is_costs, _pages)
USAGE: Final = Format("OpenAI usage", _OPENAI, UTC, _is_usage, _pages)
