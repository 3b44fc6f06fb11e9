"""Reading LiteLLM's price list: USD per token, with conditions as suffixes of the fields' names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pricing.importers.offer import (
    ALWAYS,
    NO_SOURCE,
    Offer,
    Terms,
    is_junk,
    is_upside_down,
    sound,
)

__all__ = ["Place", "left_out", "place_of", "read_litellm", "read_uplifts"]

_MILLION: Final = Decimal(1_000_000)
_FIELD: Final = re.compile(
    r"(?P<field>.+?)(?:_above_(?P<thousands>\d+)k_tokens)?"
    r"(?:_(?P<variant>batches|flex|priority|ultrafast|480p|720p|768p|1080p|2k|4k))?"
)
_FIELDS: Final[Mapping[str, tuple[str, Decimal]]] = {
    "input_cost_per_token": ("input", _MILLION),
    "output_cost_per_token": ("output", _MILLION),
    "output_cost_per_reasoning_token": ("reasoning", _MILLION),
    "citation_cost_per_token": ("citation", _MILLION),
    "cache_read_input_token_cost": ("cache_read", _MILLION),
    "cache_creation_input_token_cost": ("cache_write_5m", _MILLION),
    "cache_creation_input_token_cost_above_1hr": ("cache_write_1h", _MILLION),
    "cache_creation_input_token_cost_above_12hr": ("cache_write_12h", _MILLION),
    "input_cost_per_audio_token": ("input_audio", _MILLION),
    "cache_read_input_audio_token_cost": ("cache_read_audio", _MILLION),
    "output_cost_per_audio_token": ("output_audio", _MILLION),
    "input_cost_per_image_token": ("input_image", _MILLION),
    "output_cost_per_image_token": ("output_image", _MILLION),
    "input_cost_per_video_token": ("input_video", _MILLION),
    "input_cost_per_character": ("characters", _MILLION),
    "ocr_cost_per_page": ("pages", Decimal(1000)),
}
"""A field, its leaf, and how many of its units the book's price is for."""

_BY_MODE: Final[Mapping[tuple[str, str], tuple[str, Decimal]]] = {
    ("rerank", "input_cost_per_query"): ("requests", Decimal(1)),
    ("audio_transcription", "input_cost_per_second"): ("media_ms", Decimal(3600)),
    ("image_generation", "output_cost_per_image"): ("images", Decimal(1)),
    ("image_generation", "input_cost_per_image"): ("images", Decimal(1)),
    ("video_generation", "output_cost_per_second"): ("media_ms", Decimal(3600)),
    ("video_generation", "output_cost_per_video_per_second"): ("media_ms", Decimal(3600)),
}
_VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "batches": {"batch": True},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "ultrafast": {"service_tier": "ultrafast"},
    **{size: {"resolution": size} for size in ("480p", "720p", "768p", "1080p", "2k", "4k")},
}
_FEES: Final = ("web_searches",)
"""What a batch or a tier does not change; what else is sold by the piece has its own price there, or none."""

_SOLD_BY_TOKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "images": ("output_image",),
    "characters": ("input", "output"),
    "pages": ("input", "output"),
    "media_ms": ("input", "input_audio", "output_audio"),
}
"""A price by the piece, and the tokens by which the list says the same again: a call with both would pay twice."""

_DBU_USD: Final = Decimal("0.07")
"""What the list takes for one of Databricks' units."""

_DBU_STEP: Final = Decimal("0.001")
_DBU_DIGITS: Final = 5
"""A price in those units, for a million tokens, is written to three decimals, and to five digits."""

_DBU_RATIOS: Final = tuple(map(Decimal, ("1", "1.25", "2", "0.1", "0.05", "0.025")))
"""What a leaf of a model usually costs for each USD of its input."""

_INCLUSIVE: Final = frozenset({"x_ai"})
_REGION: Final = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
_OTHER_PRODUCTS: Final = ("1-month-commitment", "6-month-commitment", "invoke", "converse", "*")


class Place(NamedTuple):
    """Where an id of the list belongs: our provider, the model's own name, and the scope that the id spells out."""

    provider: str
    model: str
    scope: Mapping[str, Any]
    prefix: str = ""


def read_litellm(content: bytes, providers: Mapping[str, str], source: str) -> Iterator[Offer]:
    """Read every id that has a price; the scopes of one model are offers of their own.

    Args:
        content: the list, JSON.
        providers: the list's name of a provider -> ours; "" for what is left out, one that is missing keeps its name.
        source: the id of the input, which the offers carry.
    """
    listed: Mapping[str, Mapping[str, Any]] = json.loads(content, parse_float=Decimal)
    for name, entry in listed.items():
        place = place_of(name, str(entry.get("litellm_provider")), providers)
        if place is None:
            continue
        terms = tuple(_terms(entry, place))
        if place.provider == "databricks":
            terms = tuple(map(_in_usd, terms))
        terms = tuple(map(sound, terms))
        if any(each.rates for each in terms) or name.endswith(":free"):
            doubts = _doubts(entry, terms)
            yield Offer(place.provider, place.model, (place.model,), terms, source, doubts)
            if place.scope:
                # LiteLLM's own spans carry the id itself: a model whose one price is that scope's
                full = f"{place.prefix}/{place.model}"
                unplaced = tuple(_unplaced(each, place.scope) for each in terms)
                yield Offer(place.provider, full, (full,), unplaced, source, doubts)


def left_out(content: bytes, providers: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """The ids with a price that no offer is made of: provider, id and why."""
    listed: Mapping[str, Mapping[str, Any]] = json.loads(content, parse_float=Decimal)
    for name, entry in listed.items():
        family = str(entry.get("litellm_provider"))
        if name == "sample_spec" or not any(_is_cost(key, value) for key, value in entry.items()):
            continue
        provider = providers.get(family) or family
        if providers.get(family) == "":
            yield family, name, "a subscription, or another product under the same names"
        elif (place := place_of(name, family, providers)) is None:
            yield provider, name, "a commitment, an endpoint or an image size in the id"
        elif not any(each.rates for each in _terms(entry, place)):
            yield place.provider, name, "sold by something that no usage counts here"


def _is_cost(key: str, value: object) -> bool:
    return "cost" in key and isinstance(value, (Decimal, int)) and value > 0


def _unplaced(terms: Terms, scope: Mapping[str, Any]) -> Terms:
    return terms._replace(
        when={key: value for key, value in terms.when.items() if key not in scope}
    )


def place_of(name: str, listed: str, providers: Mapping[str, str]) -> Place | None:
    """Where an id of the list belongs.

    Args:
        name: the id, such as `bedrock/eu-west-1/anthropic.claude-v2`.
        listed: the list's `litellm_provider`.
        providers: the list's name of a provider -> ours; "" for what is left out.

    Returns:
        None for a product that no span's names distinguish, such as a commitment.
    """
    family = "vertex_ai" if listed.startswith("vertex_ai") else listed
    if family in ("", "None") or providers.get(family) == "":
        return None
    provider = providers.get(family, family)
    model = re.sub(
        r"^(?:bedrock|azure_ai|azure|vertex_ai|gemini|fireworks_ai|together_ai)/", "", name
    )
    model = model.removeprefix(f"{family}/")
    head, slash, rest = model.partition("/")
    if provider == "aws.bedrock":
        if head in _OTHER_PRODUCTS or (not slash and "." not in model) or "commitment" in model:
            return None
        if slash:
            known = _REGION.fullmatch(head) is not None and "." in rest and "/" not in rest
            return Place(provider, rest, {"region": head}, head) if known else None
    if provider == "azure.ai.openai" and slash:
        return _azure(provider, head, rest)
    return Place(provider, model, {})


def _azure(provider: str, head: str, rest: str) -> Place | None:
    if head in ("eu", "us"):
        return Place(provider, rest, {"deployment_type": "data_zone", "region": head}, head)
    if head in ("global", "global-standard"):
        return Place(provider, rest, {"deployment_type": "global"}, head)
    return None


def _doubts(entry: Mapping[str, Any], terms: tuple[Terms, ...]) -> tuple[str, ...]:
    prices = [price for each in terms for price in each.rates.values()]
    doubts: list[str] = []
    if any(map(is_junk, prices)):
        doubts.append("a price that looks like a float's remainder")
    if is_upside_down(terms):
        doubts.append("cached input dearer than fresh")
    if "off_peak_pricing" in entry:
        doubts.append("hours of the day without their dates")
    if "tiered_pricing" in entry and not _ranges(entry):
        doubts.append("tiers by range, whose bounds the list leaves open")
    if not entry.get("source"):
        doubts.append(NO_SOURCE)
    return tuple(doubts)


def _terms(entry: Mapping[str, Any], place: Place) -> Iterator[Terms]:
    """Rates by condition; one that the list gives no rate of its own has none."""
    groups = _priced(entry)
    for leaf, tokens in _SOLD_BY_TOKEN.items():
        if not groups["", 0].keys().isdisjoint(tokens):
            for rates in groups.values():
                rates.pop(leaf, None)
    fees = {leaf: rate for leaf, rate in groups["", 0].items() if leaf in _FEES}
    thresholds = {threshold for variant, threshold in groups if threshold and not variant}
    for (variant, threshold), rates in sorted(groups.items()):
        when = {**place.scope, **_VARIANTS.get(variant, {}), **_beyond(threshold, place.provider)}
        yield Terms(
            when, ALWAYS, None, rates if not variant and not threshold else {**fees, **rates}
        )
        for missing in thresholds if variant and not threshold else ():
            if (variant, missing) not in groups:  # long context is not offered in this tier
                yield Terms({**when, **_beyond(missing, place.provider)}, ALWAYS, None, {})


def _priced(entry: Mapping[str, Any]) -> dict[tuple[str, int], dict[str, Decimal]]:
    """The rates by variant and by what the input exceeds."""
    groups: dict[tuple[str, int], dict[str, Decimal]] = {("", 0): {}}
    mode = str(entry.get("mode"))
    for start, prices in ((0, entry), *_ranges(entry)):
        for key, price in prices.items():
            if (found := _rate(key, price, mode)) is not None:
                variant, threshold, leaf, rate = found
                groups.setdefault((variant, threshold or start), {})[leaf] = rate
    if (searches := _searches(entry)) is not None:
        groups["", 0]["web_searches"] = searches
    return groups


def _ranges(entry: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Prices by the range that the input falls into: beyond how many tokens, and what; none if there are gaps, or what
    is ranged is not the input."""
    tiers = cast("list[Mapping[str, Any]]", entry.get("tiered_pricing") or [])
    bounds = [tuple(map(int, tier.get("range", ()))) for tier in tiers]
    if not tiers or any(len(bound) != 2 for bound in bounds):
        return []
    ends = (0, *(end for _, end in bounds))
    if any(start != end for (start, _), end in zip(bounds, ends, strict=False)):
        return []
    return [(start, tier) for (start, _), tier in zip(bounds, tiers, strict=True)]


def _in_usd(terms: Terms) -> Terms:
    """Databricks publishes in units of its own, with few digits: the price in USD is the usual multiple of the input's
    that those digits allow, else the shortest number."""
    base = terms.rates.get("input")
    usual = None if base is None else _shortest(base)
    rates = {
        leaf: _shortest(price) if usual is None else _usual(price, usual)
        for leaf, price in terms.rates.items()
    }
    exact = {leaf: price for leaf, price in rates.items() if _digits(price) < _DBU_DIGITS}
    return terms._replace(rates=exact)


def _digits(price: Decimal) -> int:
    return len(price.normalize().as_tuple().digits)


def _usual(price: Decimal, base: Decimal) -> Decimal:
    near = (base * ratio for ratio in _DBU_RATIOS)
    return next((one for one in near if _is_written_as(price, one)), _shortest(price))


def _shortest(price: Decimal) -> Decimal:
    rounded = (price.quantize(Decimal(1).scaleb(-digits)) for digits in range(7))
    return next(one for one in (*rounded, price) if _is_written_as(price, one))


def _is_written_as(price: Decimal, usd: Decimal) -> bool:
    """Whether a price in USD comes to that one when it is written in Databricks' units."""
    digits = Decimal(1).scaleb((price / _DBU_USD).adjusted() - _DBU_DIGITS + 1)
    return abs(usd - price) <= max(_DBU_STEP, digits) / 2 * _DBU_USD


def _beyond(threshold: int, provider: str) -> Mapping[str, int]:
    if not threshold:
        return {}
    return {"input_tokens_gte" if provider in _INCLUSIVE else "input_tokens_gt": threshold}


def _rate(key: str, price: object, mode: str) -> tuple[str, int, str, Decimal] | None:
    """Variant, threshold, leaf and rate of a field; None for one that has no leaf, and for zero: it proves nothing."""
    match = _FIELD.fullmatch(key)
    if match is None or not isinstance(price, (Decimal, int)) or isinstance(price, bool):
        return None
    field = match["field"]
    known = _FIELDS.get(field) or _BY_MODE.get((mode, field))
    if known is None or not price:
        return None
    leaf, units = known
    return match["variant"] or "", int(match["thousands"] or 0) * 1000, leaf, Decimal(price) * units


def _searches(entry: Mapping[str, Any]) -> Decimal | None:
    """The price of 1,000 web searches, where it does not depend on how much they bring in."""
    listed: object = entry.get("search_context_cost_per_query")
    if not isinstance(listed, dict):
        return None
    by_size = cast("dict[str, Decimal]", listed)
    prices = {price for price in by_size.values() if price}
    return prices.pop() * 1000 if len(prices) == 1 and len(by_size) == 3 else None


def read_uplifts(
    content: bytes, providers: Mapping[str, str]
) -> Iterator[tuple[str, str, Mapping[str, Any], Decimal]]:
    """Published multipliers of a model's every token price: provider, name, the condition they hold under, factor."""
    listed: Mapping[str, Mapping[str, Any]] = json.loads(content, parse_float=Decimal)
    for name, entry in listed.items():
        place = place_of(name, str(entry.get("litellm_provider")), providers)
        if place is not None and not place.scope:
            for condition, factor in _uplifts(entry):
                yield place.provider, place.model, condition, factor


def _uplifts(entry: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Decimal]]:
    special: object = entry.get("provider_specific_entry")
    if isinstance(special, dict) and entry.get("litellm_provider") == "anthropic":
        for geo in ("us", "eu"):
            if (factor := cast("dict[str, Any]", special).get(geo)) is not None:
                yield {"inference_geo": geo}, Decimal(factor)
    for area in ("eu", "us"):
        if (factor := entry.get(f"regional_processing_uplift_multiplier_{area}")) is not None:
            yield {"inference_geo": area}, Decimal(factor)
            yield {"region": area}, Decimal(factor)
    if (factor := entry.get("regional_endpoint_uplift_multiplier")) is not None:
        yield {"region": "*"}, Decimal(factor)
