"""Reading Azure's retail meters, as azure-genai-prices copied them: prices by deployment type and region.

A meter's name is a few abbreviated words in any order ("gpt 4.1 cached Inp regnl Tokens", "5.4 opt Dz 1M Tokens"):
each is recognised by a vocabulary, what is left names the model. A meter with another word prices something else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.importers.offer import Rates, Terms

__all__ = ["Meters", "read_meters"]

_DEPLOYMENTS: Final = {
    **dict.fromkeys(("dzone", "datazone", "dz"), "data_zone"),
    **dict.fromkeys(("glbl", "global", "gl"), "global"),
    **dict.fromkeys(("regnl", "rgnl", "regional"), "regional"),
}
_MODES: Final[Mapping[str, Mapping[str, Any]]] = {
    "batch": {"batch": True},
    "pp": {"service_tier": "priority"},
    "std": {},
}
_CONTEXTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "longco": {"input_tokens_gt": 272_000},
    "shortco": {},
}
_CACHED: Final = frozenset({"cchd", "cd", "cached", "cach", "cache"})
_INPUT: Final = frozenset({"inp", "inpt", "input", "in"})
_OUTPUT: Final = frozenset({"opt", "outp", "outpt", "out", "output"})
_NOISE: Final = frozenset({"tokens", "token", "1m", "1k", "gpt"})
_PRODUCTS: Final = (
    "Azure OpenAI",
    "Azure OpenAI GPT5",
    "Azure OpenAI Embedding",
    "Azure OpenAI Reasoning",
)
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_UNITS: Final = {"1K": Decimal(1000), "1M": Decimal(1)}
"""What a price of the unit is multiplied by, to be one of a million tokens."""

_Key = tuple[str, str, str]
"""A model, a deployment type, the other conditions."""


class Meters(NamedTuple):
    """Rates of Azure's own names by deployment type, and those of a global deployment to compare with."""

    standard: Mapping[str, Rates]
    terms: Mapping[str, list[Terms]]


class _Meter(NamedTuple):
    model: str
    deployment: str
    when: Mapping[str, Any]
    leaf: str


def read_meters(content: bytes, names: Mapping[str, list[str]]) -> Meters:
    """The meters of the models that `names` knows: a meter's name for a model -> Azure's names for it."""
    rates: dict[_Key, dict[str, dict[str, Decimal]]] = {}
    whens: dict[str, Mapping[str, Any]] = {}
    since: dict[_Key, list[str]] = {}
    for item in _newest(json.loads(content, parse_float=Decimal)["items"]):
        meter = _read(item["meterName"])
        if meter is None or meter.model not in names or item["unitOfMeasure"] not in _UNITS:
            continue
        key = (meter.model, meter.deployment, repr(meter.when))
        whens[key[2]] = meter.when
        since.setdefault(key, []).append(item["effectiveStartDate"][:10])
        price = Decimal(item["retailPrice"]) * _UNITS[item["unitOfMeasure"]]
        for region in item["regions"]:
            rates.setdefault(key, {}).setdefault(region, {})[meter.leaf] = price
    standard: dict[str, Rates] = {}
    terms: dict[str, list[Terms]] = {}
    for (model, deployment, when), by_region in sorted(rates.items()):
        made = list(
            _grouped(deployment, whens[when], min(since[model, deployment, when]), by_region)
        )
        for name in names[model]:
            if deployment == "global" and not whens[when]:
                standard[name] = made[0].rates
            terms.setdefault(name, []).extend(made)
    return Meters(standard, terms)


def _newest(items: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The meters of the products in question; of a superseded price the feed has the newest last."""
    wanted = (item for item in items if item["productName"] in _PRODUCTS and item["retailPrice"])
    return iter(sorted(wanted, key=lambda item: str(item["effectiveStartDate"])))


def _read(name: str) -> _Meter | None:
    """What a meter is for; None if it isn't tokens of a model under conditions that have words here."""
    words = re.split(
        r"[\s\-_/]+", _CAMEL.sub(" ", name.strip()).lower().replace("data zone", "datazone")
    )
    text = " ".join(words).replace("short co", "shortco").replace("long co", "longco")
    model: list[str] = []
    deployment, when = "regional", dict[str, Any]()
    kinds = set[str]()
    for word in text.split():
        if word in _DEPLOYMENTS:
            deployment = _DEPLOYMENTS[word]
        elif word in _MODES:
            when.update(_MODES[word])
        elif word in _CONTEXTS:
            when.update(_CONTEXTS[word])
        elif (kind := _kind(word)) is not None:
            kinds.add(kind)
        elif word not in _NOISE:
            model.append(word)
    leaf = _leaf(kinds, model)
    return None if leaf is None else _Meter("-".join(model), deployment, when, leaf)


def _kind(word: str) -> str | None:
    kinds = {"cached": _CACHED, "input": _INPUT, "output": _OUTPUT, "written": {"wr", "write"}}
    return next((kind for kind, words in kinds.items() if word in words), None)


def _leaf(kinds: set[str], model: list[str]) -> str | None:
    if "written" in kinds:
        return "cache_write_5m"
    if "cached" in kinds:
        return "cache_read"
    if kinds:
        return "output" if "output" in kinds else "input"
    return "input" if "embedding" in model else None


def _grouped(
    deployment: str,
    when: Mapping[str, Any],
    since: str,
    by_region: Mapping[str, Mapping[str, Decimal]],
) -> Iterator[Terms]:
    """One set of terms for the regions that share their rates. A data zone's commonest is its usual price; a regional
    deployment has none without its region, a global one has no region."""
    counted = Counter(tuple(sorted(rates.items())) for rates in by_region.values())
    complete = [rates for rates, _ in counted.most_common() if _is_complete(dict(rates))]
    for n, rates in enumerate(complete):
        regions = sorted(
            region for region, own in by_region.items() if tuple(sorted(own.items())) == rates
        )
        scope: dict[str, Any] = {} if deployment == "global" else {"deployment_type": deployment}
        if deployment == "regional" or (deployment == "data_zone" and n):
            scope["region"] = regions
        if n == 0 or "region" in scope:
            yield Terms({**when, **scope}, since, None, dict(rates))


def _is_complete(rates: Mapping[str, Decimal]) -> bool:
    """Whether nothing is missing but what the model may not have: input, and output unless it embeds."""
    return "input" in rates and ("output" in rates or len(rates) == 1)
