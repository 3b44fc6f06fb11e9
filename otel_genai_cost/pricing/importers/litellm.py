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

__all__ = ["Place", "place_of", "read_litellm", "read_uplifts"]

_MILLION: Final = Decimal(1_000_000)
_FIELD: Final = re.compile(
    r"(?P<field>.+?)(?:_above_(?P<thousands>\d+)k_tokens)?"
    r"(?:_(?P<variant>batches|flex|priority|ultrafast))?"
)
_FIELDS: Final[Mapping[str, tuple[str, Decimal]]] = {
    "input_cost_per_token": ("input", _MILLION),
    "output_cost_per_token": ("output", _MILLION),
    "output_cost_per_reasoning_token": ("reasoning", _MILLION),
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
}
_VARIANTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "batches": {"batch": True},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "ultrafast": {"service_tier": "ultrafast"},
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

_INCLUSIVE: Final = frozenset({"x_ai"})
_REGION: Final = re.compile(r"[a-z]{2}(-gov)?-[a-z]+-\d")
_OTHER_PRODUCTS: Final = ("1-month-commitment", "6-month-commitment", "invoke", "converse", "*")


class Place(NamedTuple):
    """Where an id of the list belongs: our provider, the model's own name, and the scope that the id spells out."""

    provider: str
    model: str
    scope: Mapping[str, Any]


def read_litellm(content: bytes, providers: Mapping[str, str], source: str) -> Iterator[Offer]:
    """Every id that a price can be read of; the same model's scopes are offers of their own."""
    listed: Mapping[str, Mapping[str, Any]] = json.loads(content, parse_float=Decimal)
    for name, entry in listed.items():
        place = place_of(name, str(entry.get("litellm_provider")), providers)
        if place is None:
            continue
        terms = tuple(map(sound, _terms(entry, place)))
        if any(each.rates for each in terms) or name.endswith(":free"):
            yield Offer(
                place.provider, place.model, (place.model,), terms, source, _doubts(entry, terms)
            )


def place_of(name: str, listed: str, providers: Mapping[str, str]) -> Place | None:
    """Where an id belongs; None for a product that no span's names can tell apart."""
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
            return Place(provider, rest, {"region": head}) if known else None
    if provider == "azure.ai.openai" and slash:
        return _azure(provider, head, rest)
    return Place(provider, model, {})


def _azure(provider: str, head: str, rest: str) -> Place | None:
    if head in ("eu", "us"):
        return Place(provider, rest, {"deployment_type": "data_zone", "region": head})
    if head in ("global", "global-standard"):
        return Place(provider, rest, {"deployment_type": "global"})
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
    if "tiered_pricing" in entry:
        doubts.append("tiers by range, whose bounds the list leaves open")
    if any("dbu_cost" in field for field in entry):
        doubts.append("prices converted from another unit")
    if not entry.get("source"):
        doubts.append(NO_SOURCE)
    return tuple(doubts)


def _terms(entry: Mapping[str, Any], place: Place) -> Iterator[Terms]:
    """Rates by condition; one that the list gives no rate of its own has none."""
    groups: dict[tuple[str, int], dict[str, Decimal]] = {("", 0): {}}
    for key, price in entry.items():
        found = _rate(key, price, str(entry.get("mode")))
        if found is not None:
            variant, threshold, leaf, rate = found
            groups.setdefault((variant, threshold), {})[leaf] = rate
    if (searches := _searches(entry)) is not None:
        groups["", 0]["web_searches"] = searches
    for rates in groups.values():
        for leaf, tokens in _SOLD_BY_TOKEN.items():
            if not groups["", 0].keys().isdisjoint(tokens):
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
    told: object = entry.get("search_context_cost_per_query")
    if not isinstance(told, dict):
        return None
    by_size = cast("dict[str, Decimal]", told)
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
