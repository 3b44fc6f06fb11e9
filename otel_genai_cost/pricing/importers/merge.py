"""Two lists made one: what both say, what one says with a source, and what is left out, with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.importers.genai_prices import GenaiPrices
from otel_genai_cost.pricing.importers.history import CORE, History, Seen, agree, disputed, united
from otel_genai_cost.pricing.importers.offer import (
    ALWAYS,
    NO_SOURCE,
    Offer,
    Rates,
    Terms,
    launch_of,
    text_of,
)

__all__ = ["BOTH", "Lists", "Priced", "SetAside", "merge"]

BOTH: Final = "both"
"""The source of a row that both lists agree on."""

_UPLIFT: Final = Decimal("1.1")
_GEO: Final = re.compile(r"(?:us|eu|apac|jp|au|in|ca|sa|us-gov|global)\.")
"""A Bedrock inference profile's prefix: which regions the call may run in."""


class Lists(NamedTuple):
    """What is merged. `day` is when the lists were taken; `verdicts` are a person's, by provider and name;
    of the `trusted` providers LiteLLM is believed without a page."""

    genai_prices: GenaiPrices
    litellm: Mapping[tuple[str, str], list[Offer]]
    history: History
    verdicts: Mapping[tuple[str, str], Mapping[str, Any]]
    trusted: frozenset[str]
    day: str


class Priced(NamedTuple):
    """A name with its terms, each with its source; `of` is the model that genai-prices knows it as."""

    provider: str
    name: str
    terms: tuple[tuple[Terms, str], ...]
    of: str = ""


class SetAside(NamedTuple):
    """A name that is left without a price, and why."""

    provider: str
    name: str
    reason: str


class _Candidate(NamedTuple):
    """Everything known of one name. `mine` is genai-prices', `exact` if it gives the name in full; `siblings` are all
    names that it would take for the same model."""

    provider: str
    name: str
    mine: Offer | None
    exact: bool
    theirs: Offer | None
    seen: tuple[Seen, ...]
    siblings: tuple[str, ...]


def merge(lists: Lists) -> Iterator[Priced | SetAside]:
    """Every name of both lists and of the older copies, in order."""
    exact = {
        (provider, name.lower()): listed.offer
        for provider, models in lists.genai_prices.items()
        for listed in reversed(models)
        for name in listed.offer.names
    }
    spelled = {
        (provider, name.lower()): name
        for provider, name in (
            *lists.history.names(),
            *(
                (offer.provider, offer.model)
                for offers in lists.litellm.values()
                for offer in offers
            ),
            *((offer.provider, name) for offer in exact.values() for name in offer.names),
        )
    }
    known = {key: _mine(lists.genai_prices, exact, *key) for key in sorted(spelled)}
    siblings: dict[tuple[str, str], list[str]] = {}
    for (provider, folded), mine in known.items():
        if mine is not None and not folded.endswith("latest"):  # which moves from model to model
            siblings.setdefault((provider, mine.model), []).append(folded)
    for (provider, folded), mine in known.items():
        candidate = _Candidate(
            provider=provider,
            name=spelled[provider, folded],
            mine=mine,
            exact=(provider, folded) in exact,
            theirs=united(lists.litellm.get((provider, folded), ())),
            seen=tuple(lists.history.of(provider, folded)),
            siblings=() if mine is None else tuple(siblings.get((provider, mine.model), ())),
        )
        yield _decide(candidate, lists)


def _mine(
    listed: GenaiPrices, exact: Mapping[tuple[str, str], Offer], provider: str, name: str
) -> Offer | None:
    """What genai-prices has for the name, or would take it for: a candidate that the other list must confirm."""
    if (offer := exact.get((provider, name))) is not None:
        return offer
    return next((one.offer for one in listed.get(provider, ()) if one.matches(name)), None)


def _decide(it: _Candidate, lists: Lists) -> Priced | SetAside:
    verdict = lists.verdicts.get((it.provider, it.name.lower()), {})
    take = verdict.get("take")
    if take == "neither":
        return SetAside(it.provider, it.name, verdict["reason"])
    mine = it.mine if it.mine is not None and not it.mine.doubts else None
    theirs = it.theirs if it.theirs is not None and not _is_doubtful(it.theirs) else None
    if mine is not None and theirs is not None:
        return _compared(mine, theirs, it, take, lists)
    if mine is not None and (it.exact or take == "genai-prices" or _witnessed(mine, it)):
        return _alone(mine, it, lists)
    if theirs is not None and (take or _is_sourced(theirs, it, lists)):
        return Priced(it.provider, it.name, tuple(_listed(theirs, it, lists)))
    if it.theirs is None and it.mine is None and it.provider in lists.trusted:
        return _retired(it, lists)
    doubts = [doubt for offer in (it.mine, it.theirs) if offer for doubt in offer.doubts]
    return SetAside(it.provider, it.name, "; ".join(doubts) or "the lists disagree")


def _compared(
    mine: Offer, theirs: Offer, it: _Candidate, take: object, lists: Lists
) -> Priced | SetAside:
    ours, others = mine.rates_on(lists.day, {}), theirs.rates_on(lists.day, {})
    if agree(ours, others) and take != "litellm":
        return _both(mine, theirs, it, lists)
    if take is None and it.provider == "aws.bedrock":
        take = _bedrock(ours, others, it)
    if take == "by scope":
        return _by_scope(mine, theirs, it, lists)
    if take == "genai-prices":
        return _alone(mine, it, lists)
    if take == "litellm" or (not it.exact and not theirs.doubts):
        return Priced(it.provider, it.name, tuple(_listed(theirs, it, lists)))
    figures = ", ".join(
        f"{leaf} {text_of(ours[leaf])} or {text_of(others[leaf])}"
        for leaf in sorted(disputed(ours, others))
    )
    reason = f"genai-prices and LiteLLM disagree: {figures or 'no common price'}"
    return SetAside(it.provider, it.name, reason)


def _is_doubtful(offer: Offer) -> bool:
    return bool(set(offer.doubts) - {NO_SOURCE})


def _is_sourced(offer: Offer, it: _Candidate, lists: Lists) -> bool:
    """Whether a list alone can be believed: it names its source, or, for providers whose lists it reads itself, has
    said the same for long."""
    if not offer.doubts:
        return True
    rates = offer.rates_on(lists.day, {})
    long = any(agree(seen.offer.rates_on(seen.day, {}), rates) for seen in it.seen)
    return long and it.provider in lists.trusted


def _bedrock(ours: Rates, others: Rates, it: _Candidate) -> str | None:
    """A profile's prefix or a bare id: whose rule holds where the two lists differ."""
    if _GEO.match(it.name) is not None:
        return "litellm"  # it cites Amazon's price files; the other has one price for every region
    uplifted = {leaf: price * _UPLIFT for leaf, price in others.items()}
    return "by scope" if agree(ours, uplifted) else None


def _by_scope(mine: Offer, theirs: Offer, it: _Candidate, lists: Lists) -> Priced:
    """A bare id, which one list prices like the global profile and the other 10 % higher, like a region's: without a
    region it has no price."""
    regional = _launched(mine.terms, "genai-prices", it, lists)
    everywhere = tuple(_listed(theirs, it, lists))
    scoped = [
        (terms._replace(when={**terms.when, "region": region}), source)
        for region, rows in (("*", regional), ("global", everywhere))
        for terms, source in rows
    ]
    return Priced(it.provider, it.name, tuple(scoped))


def _witnessed(mine: Offer, it: _Candidate) -> bool:
    """Whether an older copy lists the name at the price that genai-prices would take it for."""
    return it.theirs is None and any(
        agree(seen.offer.rates_on(seen.day, {}), mine.rates_on(seen.day, {}))
        for seen in it.seen[-1:]
    )


def _remembered(
    mine: Offer, terms: Iterable[tuple[Terms, str]], it: _Candidate
) -> Iterator[tuple[Terms, str]]:
    """Long-context tiers that only older copies have: genai-prices has one price for every length."""
    known = [each.when for each, _ in terms]
    for seen in it.seen[-1:]:
        if agree(seen.offer.rates_on(seen.day, {}), mine.rates_on(seen.day, {})):
            launch = min((each.from_day for each, _ in terms if not each.when), default=seen.day)
            for each in seen.offer.terms:
                tier = set(each.when) in ({"input_tokens_gt"}, {"input_tokens_gte"})
                if tier and each.rates and each.when not in known:
                    yield each._replace(from_day=launch), f"litellm-{seen.day}"


def _alone(mine: Offer, it: _Candidate, lists: Lists) -> Priced:
    """genai-prices' terms, without what an older copy of the other list contradicts, and with the tiers it had."""
    terms = _launched(mine.terms, "genai-prices", it, lists)
    if it.theirs is None and it.seen and it.provider in lists.trusted:
        last = it.seen[-1]
        terms = tuple((_undisputed(each, last.offer, last.day), source) for each, source in terms)
    more = _remembered(mine, terms, it) if it.provider in lists.trusted else ()
    return Priced(it.provider, it.name, (*terms, *more), mine.model)


def _undisputed(terms: Terms, other: Offer, day: str) -> Terms:
    """Without the leaves for which the other list has another price under the same conditions."""
    wrong = disputed(terms.rates, other.rates_on(day, terms.when)) if terms.holds_on(day) else ()
    kept = {leaf: price for leaf, price in terms.rates.items() if leaf not in wrong or leaf in CORE}
    return terms._replace(rates=kept)


def _settled(terms: Terms, other: Offer, day: str) -> Terms:
    """Without any rate where the lists disagree on what a batch, a tier or a region costs in and out."""
    others: Rates = other.rates_on(day, terms.when) if terms.holds_on(day) else {}
    if terms.when and others and not agree(terms.rates, others):
        return terms._replace(rates={})
    return _undisputed(terms, other, day)


def _both(mine: Offer, theirs: Offer, it: _Candidate, lists: Lists) -> Priced:
    terms = [
        (_completed(_settled(each, theirs, lists.day), mine, theirs, lists.day), source)
        for each, source in _launched(mine.terms, BOTH, it, lists)
    ]
    known = [each.when for each, _ in terms]
    terms = [
        item if known.count(item[0].when) > 1 else _earlier(item, theirs, lists) for item in terms
    ]
    more = [item for item in _dated(theirs, lists) if item[0].when not in known]
    return Priced(it.provider, it.name, (*terms, *more), mine.model)


def _completed(terms: Terms, mine: Offer, theirs: Offer, day: str) -> Terms:
    """With the leaves that only the other list prices, where the terms hold today."""
    if not terms.rates:
        return terms
    others: Rates = theirs.rates_on(day, terms.when) if terms.holds_on(day) else {}
    more = {
        leaf: price for leaf, price in others.items() if leaf not in mine.rates_on(day, terms.when)
    }
    return terms._replace(rates={**more, **terms.rates})


def _earlier(item: tuple[Terms, str], theirs: Offer, lists: Lists) -> tuple[Terms, str]:
    """A condition that one list dates by its verification began, at the latest, when the other's copies had it."""
    terms, source = item
    if not terms.when or terms.from_day == ALWAYS or not terms.holds_on(lists.day):
        return item
    listed = theirs.rates_on(lists.day, terms.when)
    if not agree(listed, terms.rates):
        return item
    since = lists.history.since(theirs, terms.when, listed, lists.day)
    return terms._replace(from_day=min(since, terms.from_day)), source


def _listed(offer: Offer, it: _Candidate, lists: Lists) -> Iterator[tuple[Terms, str]]:
    """LiteLLM's terms, and before them what its older copies had, if genai-prices has that for the family: else nobody
    can distinguish a change of the price from the mending of a mistake."""
    dated = list(_dated(offer, lists))
    first = min((terms.from_day for terms, _ in dated if not terms.when), default=lists.day)
    for terms, source in _past(it, lists):
        family: Rates = {} if it.mine is None else it.mine.rates_on(terms.from_day, {})
        if terms.from_day < first and agree(family, terms.rates):
            ended = terms.to_day if terms.to_day is not None and terms.to_day <= first else first
            yield terms._replace(to_day=ended), source
    yield from dated


def _dated(offer: Offer, lists: Lists) -> Iterator[tuple[Terms, str]]:
    """LiteLLM's terms, since when its older copies had them."""
    standard = offer.rates_on(lists.day, {})
    for terms in offer.terms:
        rates = terms.rates or standard
        since = lists.history.since(offer, terms.when if terms.rates else {}, rates, lists.day)
        yield from _settling(terms._replace(from_day=since), offer, lists)


def _settling(terms: Terms, offer: Offer, lists: Lists) -> Iterator[tuple[Terms, str]]:
    """The terms, in two where older copies have other prices of some leaves: without those leaves, until all agree."""
    contested = lists.history.disputed_since(offer, terms.when, terms.rates, terms.from_day)
    settled = (
        lists.history.since(offer, terms.when, {leaf: rate}, lists.day)
        for leaf, rate in contested.items()
    )
    begin = max(settled, default=terms.from_day)
    if begin > terms.from_day:
        kept = {leaf: rate for leaf, rate in terms.rates.items() if leaf not in contested}
        yield terms._replace(to_day=begin, rates=kept), "litellm"
    yield terms._replace(from_day=begin), "litellm"


def _launched(
    terms: Iterable[Terms], source: str, it: _Candidate, lists: Lists
) -> tuple[tuple[Terms, str], ...]:
    """genai-prices' terms, those without a date from the launch on, as far as names and older copies say."""
    names = [it.name] if launch_of([it.name]) is not None else [it.name, *it.siblings]
    launch = launch_of(names) or _first_listed(terms, it, lists)
    dated = [
        each._replace(from_day=launch) if each.from_day == ALWAYS else each
        for each in terms
        if each.to_day is None or launch < each.to_day
    ]
    return tuple((each._replace(from_day=max(each.from_day, launch)), source) for each in dated)


def _first_listed(terms: Iterable[Terms], it: _Candidate, lists: Lists) -> str:
    """The day before which LiteLLM did not have the model, unless genai-prices dates a change before that; ALWAYS if
    LiteLLM never had it."""
    names = (it.name, *it.siblings)
    if not any((it.provider, name.lower()) in lists.litellm for name in names) and not it.seen:
        listed = ALWAYS
    else:
        listed = lists.day
    first = lists.history.absent_until(it.provider, names, listed)
    changes = [each.from_day for each in terms if not each.when and each.from_day != ALWAYS]
    return ALWAYS if any(day <= first for day in changes) else first


def _retired(it: _Candidate, lists: Lists) -> Priced | SetAside:
    """A name that only older copies list: its last price, as far back as it goes."""
    if not (rows := _past(it, lists)):
        return SetAside(it.provider, it.name, "no longer listed, and never with a usable price")
    return Priced(it.provider, it.name, tuple(rows[-1:]))


def _past(it: _Candidate, lists: Lists) -> list[tuple[Terms, str]]:
    """The standard prices of the older copies. When between two copies one changed is not known: in that time there
    is none."""
    rows: list[tuple[Terms, str]] = []
    days = (*lists.history.days, lists.day)
    for seen in it.seen:
        rates = seen.offer.rates_on(seen.day, {})
        if not rates or _is_doubtful(seen.offer):
            continue
        after = next(day for day in days if day > seen.day)
        launch = launch_of([it.name]) if seen is it.seen[0] else None
        first = min(launch or seen.day, seen.day)
        if rows and rows[-1][0].to_day == seen.day:
            last, source = rows.pop()
            if last.rates == rates:
                first = last.from_day
            elif (before := days[days.index(seen.day) - 1]) > last.from_day:
                rows.append((last._replace(to_day=before), source))
        rows.append((Terms({}, first, after, rates), f"litellm-{seen.day}"))
    return rows
