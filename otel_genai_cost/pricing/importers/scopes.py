"""Scopes that a list spells out in its ids, Bedrock's regions and Azure's deployment types, under the model's name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.pricing.importers.history import agree
from otel_genai_cost.pricing.importers.merge import Lists, Priced
from otel_genai_cost.pricing.importers.meters import Meters
from otel_genai_cost.pricing.importers.offer import Rates, Terms

__all__ = ["refused", "scoped"]

_AZURE: Final = "azure.ai.openai"
_METERS: Final = "azure-meters"

_Sourced = tuple[Terms, str]
"""Terms, and the list they are from."""

_BEDROCK: Final = "aws.bedrock"
_BARE: Final = re.compile(
    r"(?:anthropic\.)?(claude-(?:(?:haiku|sonnet|opus)-(?:4-[5-9]|[5-9])|fable|mythos).*)",
    re.IGNORECASE,
)
"""Claude from 4.5 on, by an id that says neither `global.` nor where."""

_VERSION: Final = re.compile(r"(.+)-20\d\d-\d\d-\d\d")


def scoped(priced: list[Priced], lists: Lists, meters: Meters) -> Iterator[Priced]:
    """Add the terms of each scope to its name; a name that only scopes have becomes one too.

    Args:
        priced: the names that were merged, with their terms.
        lists: the imported lists, with the older copies.
        meters: what Azure's own retail meters say, which precedes any list.
    """
    extra = _extra(lists)
    known = {(item.provider, item.name.lower()): item for item in priced}
    _share(known, extra, lists)
    known = {key: _bare(item, known) for key, item in known.items()}
    for key, item in known.items():
        terms = [*item.terms, *_unknown(extra.pop(key, []), item.terms)]
        if key[0] == _AZURE and agree(_standard(item, lists.day), meters.standard.get(key[1], {})):
            terms = _measured(terms, meters.terms[key[1]])
        yield item._replace(terms=tuple(terms))
    for name, measured in meters.terms.items():
        if (_AZURE, name) not in known and name in meters.standard:
            yield Priced(_AZURE, name, tuple((each, _METERS) for each in measured))
            extra.pop((_AZURE, name), None)
    for (provider, name), terms in extra.items():
        yield Priced(provider, name, tuple(terms))


def _unknown(more: Iterable[_Sourced], known: Iterable[_Sourced]) -> Iterator[_Sourced]:
    whens = [terms.when for terms, _ in known]
    return (item for item in more if item[0].when not in whens)


def _measured(terms: list[_Sourced], measured: Iterable[Terms]) -> list[_Sourced]:
    """With what Azure's own meters say, who go before any list where they differ; their global price was found to be
    today's."""
    by_when = {_key(each): each for each in measured}
    kept: list[_Sourced] = []
    for each, source in terms:
        official = by_when.get(_key(each))
        if official is None:
            kept.append((each, source))
        elif agree(each.rates, official.rates):
            del by_when[_key(each)]
            kept.append((each._replace(from_day=min(each.from_day, official.from_day)), source))
    return kept + [(each, _METERS) for each in by_when.values()]


def _bare(item: Priced, known: Mapping[tuple[str, str], Priced]) -> Priced:
    """Of a bare id that one list alone prices it isn't known either for which scope: genai-prices means a region's,
    and has the global one under its own name; LiteLLM doesn't say."""
    match = _BARE.fullmatch(item.name)
    if item.provider != _BEDROCK or match is None or any("region" in t.when for t, _ in item.terms):
        return item
    regional = [_placed(terms, source, "*") for terms, source in item.terms]
    if not item.of:
        regional = [(terms._replace(rates={}), source) for terms, source in regional]
    twin = known.get((_BEDROCK, f"global.anthropic.{match[1]}".lower()))
    everywhere = [
        _placed(terms, source, "global") for terms, source in (twin.terms if twin else ())
    ]
    return item._replace(terms=(*regional, *everywhere))


def _placed(terms: Terms, source: str, region: str) -> _Sourced:
    return terms._replace(when={**terms.when, "region": region}), source


def _key(terms: Terms) -> str:
    return repr(sorted(terms.when.items()))


def refused(item: Priced) -> Priced:
    """With the rows that refuse Azure's deployment types for which no price is published."""
    if item.provider != _AZURE or "/" in item.name:
        return item
    return item._replace(terms=(*item.terms, *_refused_deployments(item.terms)))


def _extra(lists: Lists) -> dict[tuple[str, str], list[_Sourced]]:
    """The scoped terms of each name. Both of Azure's data zones at one price are one scope."""
    found: dict[tuple[str, str], list[_Sourced]] = {}
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
    for same_zone in zones.values():
        first = same_zone[0]
        if len(same_zone) > 1 and all(agree(first.rates, other.rates) for other in same_zone):
            when = {key: word for key, word in first.when.items() if key != "region"}
            rates = {
                leaf: price for each in reversed(same_zone) for leaf, price in each.rates.items()
            }
            since = max(each.from_day for each in same_zone)
            yield first._replace(when=when, rates=rates, from_day=since)
        else:
            yield from same_zone


def _share(
    known: Mapping[tuple[str, str], Priced],
    extra: dict[tuple[str, str], list[_Sourced]],
    lists: Lists,
) -> None:
    """A model's plain name on Azure means its one dated version, if both have the same price."""
    versions: dict[str, list[str]] = {}
    for provider, name in known:
        if provider == _AZURE and (match := _VERSION.fullmatch(name)) is not None:
            versions.setdefault(match[1], []).append(name)
    for undated, dated in versions.items():
        key, other = (_AZURE, undated), (_AZURE, dated[0])
        if (
            len(dated) == 1
            and key in known
            and _have_one_price(known[key], known[other], lists.day)
        ):
            for one, another in ((key, other), (other, key)):
                if one in extra and another not in extra:
                    extra[another] = extra[one]


def _have_one_price(one: Priced, other: Priced, day: str) -> bool:
    return agree(_standard(one, day), _standard(other, day))


def _standard(item: Priced, day: str) -> Rates:
    held = [terms.rates for terms, _ in item.terms if not terms.when and terms.holds_on(day)]
    return held[0] if held else {}


def _refused_deployments(terms: Iterable[_Sourced]) -> Iterator[_Sourced]:
    """A deployment type without a published price has none: it isn't the global one's."""
    whens: list[Mapping[str, Any]] = []
    for each, source in terms:
        when = {key: word for key, word in each.when.items() if not key.startswith("input_tokens")}
        if when not in whens and "deployment_type" not in when:
            whens.append(when)
            yield Terms({**when, "deployment_type": "*"}, each.from_day, None, {}), source
