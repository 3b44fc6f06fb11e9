"""Reading the data of genai-prices: a Python file of constructors, parsed and never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pricing.importers.offer import (
    ALWAYS,
    Offer,
    Rates,
    Terms,
    is_junk,
    is_upside_down,
    sound,
)

__all__ = ["GenaiPrices", "read_genai_prices"]

_LEAVES: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cache_read_audio",
    "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image",
    "output_image_mtok": "output_image",
    "input_video_mtok": "input_video",
    "output_reasoning_mtok": "reasoning",
    "web_searches_kcount": "web_searches",
    "input_document_kpages": "pages",
    "input_mchars": "characters",
    "audio_hours": "media_ms",
    "input_audio_hours": "media_ms",
}
"""A price of the list, and the leaf it is for; what is left out has no leaf (storage, citations, cached images)."""

_WHEN: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("processing", "batch"): {"batch": True},
    ("service_tier", "flex"): {"service_tier": "flex"},
    ("service_tier", "priority"): {"service_tier": "priority"},
    ("service_tier", "fast"): {"service_tier": "fast"},
    ("speed", "fast"): {"speed": "fast"},
}
_DOUBTFUL: Final = "Imported from OpenRouter pricing"
_INCLUSIVE: Final = frozenset({"x_ai"})
"""Providers whose long-context tier begins at its threshold; the list writes one token less."""

Node = Mapping[str, Any]
Match = Callable[[str], bool]


class Listed(NamedTuple):
    """An offer, and which names the list itself would take for it."""

    offer: Offer
    matches: Match


GenaiPrices = Mapping[str, list[Listed]]
"""Provider -> its models, in the order in which the list tries them."""


def read_genai_prices(content: bytes, providers: Mapping[str, str], source: str) -> GenaiPrices:
    """Read every model of the list.

    Args:
        content: the list's Python module, which is parsed and never run.
        providers: the list's name of a provider -> ours; one that is missing keeps its name.
        source: the id of the input, which the offers carry.

    Returns:
        Our provider -> its models, in the order in which the list tries them.
    """
    tree = ast.parse(content)
    (table,) = (node for node in tree.body if isinstance(node, ast.AnnAssign))
    found: dict[str, list[Listed]] = {}
    for provider in _literal(table.value):
        name = providers.get(provider["id"], provider["id"])
        models = (_listed(model, name, source) for model in provider["models"])
        found.setdefault(name, []).extend(models)
    return found


def _literal(node: ast.expr | None) -> Any:
    """Constructors as dicts of their keyword arguments, literals as themselves."""
    if isinstance(node, ast.List):
        return [_literal(part) for part in node.elts]
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node) if node is not None else None
    kind = ast.unparse(node.func).rpartition(".")[2]
    arguments = [_literal(part) for part in node.args if not isinstance(part, ast.Attribute)]
    if kind == "Decimal":
        return Decimal(arguments[0])
    if kind == "date":
        return "{:04}-{:02}-{:02}".format(*arguments)
    named = {word.arg: _literal(word.value) for word in node.keywords if word.arg != "tzinfo"}
    return {"kind": kind, "args": arguments, **named}


def _listed(model: Node, provider: str, source: str) -> Listed:
    matches = _match(model["match"])
    exact = tuple(dict.fromkeys(_exact(model["match"])))
    names = exact if not matches(model["id"].lower()) else (model["id"], *exact)
    terms = tuple(map(sound, _terms(model, provider)))
    doubts: list[str] = []
    if _DOUBTFUL in (model.get("price_comments") or ""):
        doubts.append("imported from OpenRouter, not from the provider")
    if any(is_junk(price) for each in terms for price in each.rates.values()):
        doubts.append("a price that looks like a float's remainder")
    if is_upside_down(terms):
        doubts.append("cached input dearer than fresh")
    if "TimeOfDateConstraint" in _kinds(model):
        doubts.append("hours of the day, which that list can neither date nor tie to weekdays")
    if not any(each.rates for each in terms) and not model["id"].endswith(":free"):
        doubts.append("no price")
    offer = Offer(provider, model["id"], tuple(dict.fromkeys(names)), terms, source, tuple(doubts))
    return Listed(offer, matches)


def _kinds(model: Node) -> set[str]:
    return {part["constraint"]["kind"] for part in _dated(model) if part.get("constraint")}


def _dated(model: Node) -> list[Node]:
    """The model's base prices: a list with constraints, or one without."""
    prices: Any = model["prices"]
    return cast("list[Node]", prices) if isinstance(prices, list) else [{"prices": prices}]


def _match(clause: Node) -> Match:
    """The list's own matching of lower-case names."""
    kind = clause["kind"]
    if kind in ("ClauseOr", "ClauseAnd"):
        either = kind == "ClauseOr"
        parts = [_match(part) for part in clause["or_" if either else "and_"]]
        return lambda name: (any if either else all)(part(name) for part in parts)
    (text,) = (value for key, value in clause.items() if key not in ("kind", "args"))
    if kind == "ClauseRegex":
        pattern = re.compile(text)
        return lambda name: pattern.search(name) is not None
    found: Mapping[str, Match] = {
        "ClauseEquals": lambda name: name == text,
        "ClauseStartsWith": lambda name: name.startswith(text),
        "ClauseEndsWith": lambda name: name.endswith(text),
        "ClauseContains": lambda name: text in name,
    }
    return found[kind]


def _exact(clause: Node) -> Iterator[str]:
    """Names that the list gives in full."""
    if clause["kind"] == "ClauseEquals":
        yield clause["equals"]
    for part in clause.get("or_", ()):
        yield from _exact(part)


def _terms(model: Node, provider: str) -> Iterator[Terms]:
    """The dated base prices, each with its tiers, then every variant within each of those times."""
    dated = [
        (_since(part), part["prices"])
        for part in _dated(model)
        if _constraint(part).get("kind") != "TimeOfDateConstraint"
    ]
    base = list(_intervals(dated))
    for from_day, to_day, prices in base:
        yield from _tiers({}, from_day, to_day, prices, provider)
    for when, changes in _variants(model):
        for begin, end, change in _intervals(changes):
            for from_day, to_day, prices in base:
                start, stop = max(begin, from_day), _sooner(end, to_day)
                if stop is None or start < stop:
                    yield from _tiers(when, start, stop, {**prices, **_prices_of(change)}, provider)


def _variants(model: Node) -> Iterator[tuple[Mapping[str, Any], list[tuple[str, Node]]]]:
    """The conditions that have a word here, and their prices by date."""
    found: dict[str, tuple[Mapping[str, Any], list[tuple[str, Node]]]] = {}
    for variant in model.get("price_variants") or ():
        conditions: list[tuple[str, str]] = list(variant["when"].items())
        if len(conditions) == 1 and (when := _WHEN.get(conditions[0])) is not None:
            _, changes = found.setdefault(repr(when), (when, []))
            changes.append((_since(variant), variant["prices"]))
    for when, changes in found.values():
        yield when, sorted(changes, key=lambda change: change[0])


def _since(part: Node) -> str:
    day: str = _constraint(part).get("start_date", ALWAYS)
    return day


def _constraint(part: Node) -> Node:
    constraint: Any = part.get("constraint")
    return {} if constraint is None else constraint


def _intervals(dated: list[tuple[str, Node]]) -> Iterator[tuple[str, str | None, Node]]:
    ends = [*(day for day, _ in dated[1:]), None]
    for (day, prices), until in zip(dated, ends, strict=True):
        if until is None or day < until:
            yield day, until, prices


def _sooner(one: str | None, other: str | None) -> str | None:
    days = [day for day in (one, other) if day is not None]
    return min(days, default=None)


def _prices_of(prices: Node) -> Node:
    return {key: price for key, price in prices.items() if key not in ("kind", "args")}


def _tiers(
    when: Mapping[str, Any], from_day: str, to_day: str | None, prices: Node, provider: str
) -> Iterator[Terms]:
    """One set of rates for each threshold: a price without a tier of its own is the same in all."""
    yield Terms(when, from_day, to_day, _rates(prices, 0))
    starts = {start for price in _prices_of(prices).values() for start, _ in _steps(price)}
    for start in sorted(starts):
        inclusive = provider in _INCLUSIVE
        beyond = {"input_tokens_gte": start + 1} if inclusive else {"input_tokens_gt": start}
        yield Terms({**when, **beyond}, from_day, to_day, _rates(prices, start))


def _rates(prices: Node, start: int) -> Rates:
    rates: dict[str, Decimal] = {}
    for key, price in _prices_of(prices).items():
        if (leaf := _LEAVES.get(key)) is not None:
            rates[leaf] = _at(price, start)
        elif key == "requests_kcount":
            rates["requests"] = _at(price, start) / 1000
    return rates


def _at(price: Any, start: int) -> Decimal:
    steps = [amount for begin, amount in _steps(price) if begin <= start]
    if steps:
        return steps[-1]
    return Decimal(price if isinstance(price, (Decimal, int)) else price["base"])


def _steps(price: Any) -> list[tuple[int, Decimal]]:
    """The tiers of a price: beyond how many tokens, and what."""
    if isinstance(price, (Decimal, int)):
        return []
    return [(tier["start"], Decimal(tier["price"])) for tier in price["tiers"]]
