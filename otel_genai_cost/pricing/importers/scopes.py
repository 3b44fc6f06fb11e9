"""Scopes that a list spells out in its ids, Bedrock's regions and Azure's deployment types, under the model's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.pricing.importers.history import agree
from otel_genai_cost.pricing.importers.merge import Lists, Priced
from otel_genai_cost.pricing.importers.offer import Rates, Terms

__all__ = ["scoped"]

_AZURE: Final = "azure.ai.openai"
_VERSION: Final = re.compile(r"(.+)-20\d\d-\d\d-\d\d")


def scoped(priced: list[Priced], lists: Lists) -> Iterator[Priced]:
    """Every name, with the scopes' terms; a name that only scopes have is one too."""
    extra = _extra(lists)
    known = {(item.provider, item.name.lower()): item for item in priced}
    _share(known, extra, lists)
    for key, item in known.items():
        own = [terms.when for terms, _ in item.terms]
        every = [*item.terms, *(more for more in extra.pop(key, []) if more[0].when not in own)]
        if item.provider == _AZURE:
            every += list(_refused_deployments(every))
        yield item._replace(terms=tuple(every))
    for (provider, name), terms in extra.items():
        yield Priced(provider, name, tuple(terms))


def _extra(lists: Lists) -> dict[tuple[str, str], list[tuple[Terms, str]]]:
    """The scoped terms of each name. Both of Azure's data zones at one price are one scope."""
    found: dict[tuple[str, str], list[tuple[Terms, str]]] = {}
    for key, offers in lists.litellm.items():
        terms = [
            each._replace(from_day=lists.history.since(offer, each.when, each.rates, lists.day))
            for offer in offers
            if offer.scoped and not offer.doubts
            for each in offer.terms
            if each.rates
        ]
        if key[0] == _AZURE:
            terms = list(_data_zones(terms))
        if terms:
            found[key] = [(each, "litellm") for each in terms]
    return found


def _data_zones(terms: Iterable[Terms]) -> Iterator[Terms]:
    zones: dict[str, list[Terms]] = {}
    for each in terms:
        if each.when["deployment_type"] == "global":
            continue  # what the plain name says already
        rest = {key: word for key, word in each.when.items() if key != "region"}
        zones.setdefault(repr(sorted(rest.items())), []).append(each)
    for alike in zones.values():
        first = alike[0]
        if len(alike) > 1 and all(agree(first.rates, other.rates) for other in alike):
            when = {key: word for key, word in first.when.items() if key != "region"}
            rates = {leaf: price for each in reversed(alike) for leaf, price in each.rates.items()}
            since = max(each.from_day for each in alike)
            yield first._replace(when=when, rates=rates, from_day=since)
        else:
            yield from alike


def _share(
    known: Mapping[tuple[str, str], Priced],
    extra: dict[tuple[str, str], list[tuple[Terms, str]]],
    lists: Lists,
) -> None:
    """A model's plain name on Azure means its one dated version, if both have the same price."""
    versions: dict[str, list[str]] = {}
    for provider, name in known:
        if provider == _AZURE and (match := _VERSION.fullmatch(name)) is not None:
            versions.setdefault(match[1], []).append(name)
    for plain, dated in versions.items():
        key, other = (_AZURE, plain), (_AZURE, dated[0])
        if len(dated) == 1 and key in known and _alike(known[key], known[other], lists.day):
            for one, another in ((key, other), (other, key)):
                if one in extra and another not in extra:
                    extra[another] = extra[one]


def _alike(one: Priced, other: Priced, day: str) -> bool:
    return agree(_standard(one, day), _standard(other, day))


def _standard(item: Priced, day: str) -> Rates:
    held = [terms.rates for terms, _ in item.terms if not terms.when and terms.holds_on(day)]
    return held[0] if held else {}


def _refused_deployments(terms: Iterable[tuple[Terms, str]]) -> Iterator[tuple[Terms, str]]:
    """A deployment type without a published price has none: it isn't the global one's."""
    whens: list[Mapping[str, Any]] = []
    for each, source in terms:
        when = {key: word for key, word in each.when.items() if not key.startswith("input_tokens")}
        if when not in whens and "deployment_type" not in when:
            whens.append(when)
            yield Terms({**when, "deployment_type": "*"}, each.from_day, None, {}), source
