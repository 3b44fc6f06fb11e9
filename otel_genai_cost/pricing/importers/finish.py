"""Last touches to all rows, hand-written ones too: launches, long cache lifetimes, published multipliers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, cast

from otel_genai_cost.pricing.document import price_id
from otel_genai_cost.pricing.importers.history import agree
from otel_genai_cost.pricing.importers.merge import Lists
from otel_genai_cost.pricing.importers.offer import ALWAYS, Rates, multiplied, text_of

__all__ = [
    "add_long_writes",
    "begin_when_listed",
    "begin_with_base",
    "begin_with_launch",
    "bound_by_resolution",
    "uplift",
]

_UNDATED: Final = "2020-06-11T00:00:00Z"
"""How `openai.toml` begins a price whose first day nobody names: the API's own launch."""

_NEWEST: Final = "2025-12-20"
"""Models of before are often older than their first listing."""

_TEXT: Final = frozenset({"input", "output", "cache_read", "cache_write_5m", "web_searches"})

_LONG: Final = "cache_write_12h"

_VENDORS: Final = ("anthropic", "deepseek", "google", "moonshotai", "openai", "x_ai")
_HOSTING: Final = "2025-06-01T00:00:00Z"
"""Since when Databricks serves other vendors' models by the token."""

Row = dict[str, Any]


def begin_with_launch(tables: Mapping[str, Any], providers: Collection[str], lists: Lists) -> None:
    """Let undated rows of the newest text models begin after the last of LiteLLM's copies without the model.

    Models of images and sounds are left as they are: the list had those late.

    Args:
        tables: the book's entries by kind; its rows are changed in place, their ids with them.
        providers: ids of the providers whose rows may be changed.
        lists: the imported lists, with the older copies.
    """
    names = _names_by_model(tables, providers)
    for row in tables["prices"]:
        known = names.get((row["provider"], row["model"]))
        if known is None or row["from"] != _UNDATED or not _TEXT.issuperset(row["rates"]):
            continue
        listed = any((row["provider"], name.lower()) in lists.litellm for name in known)
        first = lists.history.absent_until(row["provider"], known, lists.day if listed else ALWAYS)
        if first >= _NEWEST and (row.get("to") is None or first < row["to"]):
            row["from"] = f"{first}T00:00:00Z"
            row["id"] = price_id(row)


def _names_by_model(
    tables: Mapping[str, Any], providers: Collection[str]
) -> dict[tuple[str, str], list[str]]:
    return {
        (model["provider"], model["id"]): list(_names(model))
        for model in tables["models"]
        if model["provider"] in providers
    }


def _names(model: Mapping[str, Any]) -> Iterator[str]:
    yield model["id"]
    for alias in model.get("aliases", ()):
        yield alias if isinstance(alias, str) else alias["name"]


def begin_when_listed(tables: Mapping[str, Any], providers: Collection[str], lists: Lists) -> None:
    """Let rows of a batch, tier or region begin when LiteLLM's list first had their price, if that is earlier.

    Such rows are written down on the day that their source was verified. They never begin before the model, nor before
    an earlier price of their own.

    Args:
        tables: the book's entries by kind; its rows are changed in place, their ids with them.
        providers: ids of the providers whose rows may be changed.
        lists: the imported lists, with the older copies.
    """
    names = _names_by_model(tables, providers)
    same_conditions: dict[str, list[Row]] = {}
    first: dict[tuple[str, str], str] = {}
    for row in tables["prices"]:
        model = (row["provider"], row["model"])
        if model not in names or row.get("supersedes"):
            continue
        same_conditions.setdefault(repr((model, sorted(row["when"].items()))), []).append(row)
        if not row["when"]:
            first[model] = min(first.get(model, row["from"]), row["from"])
    for rows in same_conditions.values():
        row = min(rows, key=lambda one: str(one["from"]))
        model = (row["provider"], row["model"])
        if row["when"] and row["rates"] and model in first:
            begin = max(_listed_since(lists, row, names[model]), first[model])
            if begin < row["from"]:
                row.update({"from": begin})
                row["id"] = price_id(row)


def _listed_since(lists: Lists, row: Row, names: Iterable[str]) -> str:
    """Since when LiteLLM's copies have the row's price under its conditions, by whichever name they had it first."""
    rates = {leaf: Decimal(price) for leaf, price in row["rates"].items()}
    days = [
        lists.history.since(offer, when, rates, lists.day)
        for name in names
        for offer in lists.litellm.get((row["provider"], name.lower()), ())
        for when in _choices(row["when"])
        if agree(offer.rates_on(lists.day, when), rates)
    ]
    return f"{min(days, default=lists.day)}T00:00:00Z"


def add_long_writes(tables: Mapping[str, Any], providers: Collection[str], lists: Lists) -> None:
    """Add LiteLLM's rate of cache writes kept for 12 hours.

    Args:
        tables: the book's entries by kind; current rows whose rate of writes kept for 5 minutes is LiteLLM's get it.
        providers: ids of the providers whose rows may be changed.
        lists: the imported lists.
    """
    names = _names_by_model(tables, providers)
    for row in tables["prices"]:
        for name in names.get((row["provider"], row["model"]), ()) if row.get("to") is None else ():
            rates = _listed(lists, row, name)
            usual = rates.get("cache_write_5m")
            if (
                _LONG in rates
                and usual is not None
                and row["rates"].get("cache_write_5m") == text_of(usual)
            ):
                row["rates"] = {**row["rates"], _LONG: text_of(rates[_LONG])}


def _listed(lists: Lists, row: Row, name: str) -> Rates:
    """What LiteLLM has for the name under the row's conditions; of alternative words any one."""
    for offer in lists.litellm.get((row["provider"], name.lower()), ()):
        for when in _choices(row["when"]):
            if rates := offer.rates_on(lists.day, when):
                return rates
    return {}


def begin_with_base(tables: Mapping[str, Any]) -> None:
    """Databricks hosts others' models under names that say which: what it never sold otherwise it sold since their
    launch, however late a list had it."""
    launches: dict[str, str] = {}
    for row in tables["prices"]:
        if row["provider"] in _VENDORS and not row["when"] and row["rates"]:
            name = row["model"].lower().replace(".", "-")
            launches[name] = min(launches.get(name, row["from"]), row["from"])
    first: dict[str, str] = {}
    hosted = [row for row in tables["prices"] if row["provider"] == "databricks"]
    for row in hosted:
        first[row["model"]] = min(first.get(row["model"], row["from"]), row["from"])
    for row in hosted:
        launch = launches.get(row["model"].removeprefix("databricks-"))
        begin = None if launch is None else max(launch, _HOSTING)
        if begin is not None and row["from"] == first[row["model"]] > begin:
            row.update({"from": begin})
            row["id"] = price_id(row)


def bound_by_resolution(tables: Mapping[str, Any]) -> None:
    """A second of video whose resolution the call does not name costs what the list has without one: between the
    cheapest resolution and the dearest."""
    by_model: dict[tuple[str, str], list[Row]] = {}
    for row in tables["prices"]:
        if set(row["when"]) <= {"resolution"} and "media_ms" in row["rates"]:
            by_model.setdefault((row["provider"], row["model"]), []).append(row)
    for rows in by_model.values():
        prices = sorted((row["rates"]["media_ms"] for row in rows), key=Decimal)
        if Decimal(prices[0]) < Decimal(prices[-1]):
            for row in (row for row in rows if not row["when"]):
                row["between"] = {"media_ms": {"low": prices[0], "high": prices[-1]}}


def _choices(conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each conjunction that conditions with alternative words stand for."""
    whens: list[dict[str, Any]] = [{}]
    for key, words in conditions.items():
        choices = cast("list[str]", words) if isinstance(words, list) else [words]
        whens = [{**when, key: word} for when in whens for word in choices]
    return whens


def uplift(
    tables: dict[str, Any], uplifts: Iterable[tuple[str, str, Mapping[str, Any], Decimal]]
) -> None:
    """Rows for regions and geographies whose price a list publishes as a multiple of the standard."""
    names = {
        (model["provider"], (name if isinstance(name, str) else name["name"]).lower()): model["id"]
        for model in tables["models"]
        for name in (model["id"], *model.get("aliases", ()))
    }
    wanted: dict[tuple[str, str, str], tuple[Mapping[str, Any], Decimal]] = {}
    for provider, name, condition, factor in uplifts:
        if (model := names.get((provider, name.lower()))) is not None:
            wanted[provider, model, repr(condition)] = (condition, factor)
    by_model: dict[tuple[str, str], list[Row]] = {}
    for row in tables["prices"]:
        by_model.setdefault((row["provider"], row["model"]), []).append(row)
    for (provider, model, _), (condition, factor) in sorted(
        wanted.items(), key=lambda item: item[0]
    ):
        for row in by_model.get((provider, model), ()):
            if not row["when"].keys() & condition.keys() and row.get("supersedes") is None:
                tables["prices"].append(_times(row, condition, factor))


def _times(row: Row, condition: Mapping[str, Any], factor: Decimal) -> Row:
    rates = {leaf: Decimal(price) for leaf, price in row["rates"].items()}
    more = {leaf: text_of(price) for leaf, price in multiplied(rates, factor).items()}
    made = {**row, "when": {**row["when"], **condition}, "rates": more}
    return {**made, "id": price_id(made)}
