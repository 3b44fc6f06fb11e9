"""The default book from its inputs: merged lists, a person's price files over them, and published multipliers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import PriceBookError
from otel_genai_cost.pricing.book import Book, Refusal
from otel_genai_cost.pricing.check import check
from otel_genai_cost.pricing.document import Document, canonical, price_id
from otel_genai_cost.pricing.importers.billing import bill
from otel_genai_cost.pricing.importers.finish import (
    add_long_writes,
    begin_when_listed,
    begin_with_base,
    begin_with_launch,
    bound_by_resolution,
    uplift,
)
from otel_genai_cost.pricing.importers.genai_prices import GenaiPrices, read_genai_prices
from otel_genai_cost.pricing.importers.history import History
from otel_genai_cost.pricing.importers.inputs import Rules
from otel_genai_cost.pricing.importers.litellm import left_out, read_litellm, read_uplifts
from otel_genai_cost.pricing.importers.merge import BOTH, Lists, Priced, SetAside, merge
from otel_genai_cost.pricing.importers.meters import read_meters
from otel_genai_cost.pricing.importers.offer import Offer, text_of
from otel_genai_cost.pricing.importers.scopes import refused, scoped
from otel_genai_cost.pricing.load import DATA, read_sources

__all__ = ["Built", "build", "read_lists"]

FILES: Final = ("providers.toml", "openai.toml", "corrections.toml")
"""Price files that people write; what they say goes before any list."""

_WHOLE: Final = frozenset({"openai"})
"""Providers whose every row is written by hand; the lists only check them."""

_USUAL: Final = {
    "standard_tiers": ("auto", "default", "standard"),
    "standard_speeds": ("standard",),
    "standard_geos": ("global",),
}
"""Words that mean a provider's standard, unless a person lists others."""

_PROFILE: Final = re.compile(r"(?:us|eu|apac|jp|au|in|ca|sa|me|af|us-gov|global)\.")
"""A Bedrock inference profile's prefix: which regions the call may run in."""

_MIDNIGHT: Final = "T00:00:00Z"
_EPOCH: Final = "2023-01-01"

Row = dict[str, Any]


class Built(NamedTuple):
    """The lock, the names that it leaves without a price, and those that it has from the lists."""

    lock: bytes
    set_aside: tuple[SetAside, ...]
    priced: tuple[Priced, ...]

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """How many names of each provider have no price, by reason, the most first."""
        counted = Counter((item.provider, _kind(item.reason)) for item in self.set_aside)
        return [
            {"provider": provider, "reason": reason, "names": names}
            for (provider, reason), names in sorted(
                counted.items(), key=lambda one: (-one[1], one[0])
            )
        ]


def _kind(reason: str) -> str:
    """The reason without the figures of the one name."""
    kind, _, _ = reason.partition(": ")
    return kind if kind.startswith("genai-prices and") else reason


def read_lists(inputs: Mapping[str, bytes], rules: Rules) -> Lists:
    """Every input in our words."""
    ours, theirs = rules.translate["genai-prices"], rules.translate["litellm"]
    current: dict[tuple[str, str], list[Offer]] = {}
    for offer in read_litellm(inputs["litellm"], theirs, "litellm"):
        current.setdefault((offer.provider, offer.model.lower()), []).append(offer)
    copies = [
        (one.day, read_litellm(inputs[one.id], theirs, one.id))
        for one in rules.inputs
        if one.id.startswith("litellm-")
    ]
    listed: GenaiPrices = read_genai_prices(inputs["genai-prices"], ours, "genai-prices")
    return Lists(
        listed, current, History(copies), rules.verdicts, rules.trusted, rules.input("litellm").day
    )


def build(inputs: Mapping[str, bytes], rules: Rules, data: Path = DATA) -> Built:
    """Make the default book. The same inputs give the same bytes.

    Args:
        inputs: the pinned files by name.
        rules: how they are read and which of them is believed.
        data: the folder of the price files that people write.

    Raises:
        PriceBookError: with every problem, if a price file or what comes of it is broken.
    """
    tables, places, problems = read_sources(data / name for name in FILES)
    if problems:
        raise PriceBookError(tuple(problems))
    lists = read_lists(inputs, rules)
    merged = list(merge(lists))
    priced = [item for item in merged if isinstance(item, Priced)]
    aside = [item for item in merged if isinstance(item, SetAside)]
    meters = read_meters(inputs["azure-meters"], rules.meters)
    open_to_lists = [item for item in priced if item.provider not in _WHOLE]
    kept = [refused(item) for item in scoped(open_to_lists, lists, meters)]
    written = _written(tables)
    _add_sources(tables, rules)
    for provider in sorted({item.provider for item in kept}):
        if provider not in {entry["id"] for entry in tables["providers"]}:
            tables["providers"].append({"id": provider})
    for entry in tables["providers"]:
        for key, words in _USUAL.items():
            entry.setdefault(key, list(words))
    for group in _groups(kept, written):
        _add_model(tables, group, written, rules)
    begin_with_launch(tables, _WHOLE, lists)
    begin_when_listed(tables, _WHOLE, lists)
    add_long_writes(tables, _WHOLE, lists)
    begin_with_base(tables)
    bound_by_resolution(tables)
    bill(tables)
    uplift(tables, read_uplifts(inputs["litellm"], rules.translate["litellm"]))
    if problems := list(check(tables, places)):
        raise PriceBookError(tuple(problems))
    unread = starmap(SetAside, left_out(inputs["litellm"], rules.translate["litellm"]))
    apart = {(item.provider, item.name.lower()): item for item in (*aside, *unread)}
    book = Book(Document.of(tables), b"", "")
    unpriced = (
        it for it in apart.values() if isinstance(book.tariff(it.provider, it.name), Refusal)
    )
    return Built(canonical(tables), tuple(unpriced), tuple(kept))


def _add_sources(tables: dict[str, Any], rules: Rules) -> None:
    for one in rules.inputs:
        seen_at = one.day + _MIDNIGHT
        tables["sources"].append(
            {"id": f"list:{one.id}", "name": one.name, "url": one.url, "seen_at": seen_at}
        )
    ours, theirs = rules.input("genai-prices"), rules.input("litellm")
    name = f"{ours.name}, and {theirs.name}, which agrees"
    seen_at = theirs.day + _MIDNIGHT
    tables["sources"].append(
        {"id": f"list:{BOTH}", "name": name, "url": ours.url, "seen_at": seen_at}
    )


def _groups(priced: Iterable[Priced], written: _Written) -> Iterator[list[Priced]]:
    """Names that genai-prices has for one model, and whose terms came out the same, together; not those that people's
    files have prices for."""
    groups: dict[tuple[Any, ...], list[Priced]] = {}
    for item in priced:
        fingerprints = sorted(_fingerprint(terms, source) for terms, source in item.terms)
        apart = not item.of or (item.provider, item.name.lower()) in written.priced
        profile = _PROFILE.match(item.name)  # a receipt for one must not cite another's row
        where = profile[0] if profile and item.provider == "aws.bedrock" else ""
        key = (
            (item.provider, item.name) if apart else (item.provider, item.of, where, *fingerprints)
        )
        groups.setdefault(key, []).append(item)
    return iter(groups.values())


def _fingerprint(terms: Any, source: str) -> str:
    rates = sorted((leaf, text_of(price)) for leaf, price in terms.rates.items())
    return repr((sorted(terms.when.items()), terms.from_day, terms.to_day, rates, source))


def _add_model(
    tables: dict[str, Any], group: Sequence[Priced], written: _Written, rules: Rules
) -> None:
    """A model under its most precise name, the others as aliases; names that people's files have are theirs."""
    first = group[0]
    names = [item.name for item in group if (item.provider, item.name.lower()) not in written.names]
    known = [item.name for item in group if item.name == first.of and len(group) > 1]
    model = (known or sorted((item.name for item in group), key=lambda name: (len(name), name)))[0]
    if not names and (first.provider, model.lower()) not in written.models:
        return
    if (first.provider, model.lower()) not in written.names:
        aliases = sorted(name for name in names if name != model)
        entry = {
            "id": model,
            "provider": first.provider,
            **({"aliases": aliases} if aliases else {}),
        }
        tables["models"].append(entry)
    for terms, source in first.terms:
        tables["prices"] += _rows(first.provider, model, terms, source, written, rules)


class _Written(NamedTuple):
    """What people's files say already: names, ids of models, and the times of rows by their conditions."""

    names: frozenset[tuple[str, str]]
    models: frozenset[tuple[str, str]]
    priced: frozenset[tuple[str, str]]
    times: Mapping[tuple[str, str, str], list[tuple[str, str | None]]]


def _written(tables: Mapping[str, Any]) -> _Written:
    names: set[tuple[str, str]] = set()
    times: dict[tuple[str, str, str], list[tuple[str, str | None]]] = {}
    for model in tables["models"]:
        for alias in (model["id"], *model.get("aliases", ())):
            word = alias if isinstance(alias, str) else alias["name"]
            names.add((model["provider"], word.lower()))
    names |= {(alias["provider"], alias["name"].lower()) for alias in tables["aliases"]}
    for row in tables["prices"]:
        key = (row["provider"], row["model"].lower(), _standing(row["when"]))
        times.setdefault(key, []).append((row["from"], row.get("to")))
    models = frozenset((model["provider"], model["id"].lower()) for model in tables["models"])
    priced = frozenset((provider, model) for provider, model, _ in times)
    return _Written(frozenset(names), models, priced, times)


def _standing(when: Mapping[str, Any]) -> str:
    """The conditions of a row that it shares with its tiers and hours."""
    apart = ("input_tokens_gt", "input_tokens_gte", "hours_utc", "weekdays", "except_calendar")
    return repr(sorted((key, word) for key, word in when.items() if key not in apart))


def _rows(
    provider: str, model: str, terms: Any, source: str, written: _Written, rules: Rules
) -> Iterator[Row]:
    """The terms as rows, without the times that people's files have rows for."""
    taken = written.times.get((provider, model.lower(), _standing(terms.when)), ())
    until = None if terms.to_day is None else terms.to_day + _MIDNIGHT
    day = rules.input("litellm" if source == BOTH else source).day
    zero = not terms.rates and model.endswith(":free")
    unsettled = rules.unsettled.get(provider, ())
    settled = {leaf: text_of(rate) for leaf, rate in terms.rates.items() if leaf not in unsettled}
    rates = {"input": "0", "output": "0"} if zero else settled
    first = max(terms.from_day, rules.epochs.get(provider, _EPOCH)) + _MIDNIGHT
    first = max(first, min((start for start, _ in taken), default=first))
    if until is not None and until <= first:
        return
    for begin, end in _without(first, until, taken):
        row: Row = {
            "provider": provider,
            "model": model,
            "from": begin,
            **({} if end is None else {"to": end}),
            "recorded_at": day + _MIDNIGHT,
            "source": f"list:{source}",
            "currency": "USD",
            "when": dict(terms.when),
            "rates": rates,
            **({"free": True} if zero else {} if rates else {"refuse": True}),
        }
        yield {"id": price_id(row), **row}


def _without(
    begin: str, end: str | None, taken: Iterable[tuple[str, str | None]]
) -> list[tuple[str, str | None]]:
    """What is left of a time when others are taken from it."""
    left = [(begin, end)]
    for start, stop in taken:
        pieces: list[tuple[str, str | None]] = []
        for first, last in left:
            if first < start:
                pieces.append((first, start if last is None or start < last else last))
            if stop is not None and (last is None or stop < last):
                pieces.append((max(first, stop), last))
        left = pieces
    return left
