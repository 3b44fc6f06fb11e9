"""Older copies of LiteLLM's list, each taken on its day: since when a price was listed, and under which names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.importers.offer import ALWAYS, Offer, Rates, Terms, launch_of

__all__ = ["CORE", "History", "Seen", "agree", "disputed", "united"]

_COMPLETE: Final = "2025-01-20"
"""Since when LiteLLM's list has so many models that one's absence means something."""

CORE: Final = ("input", "output")


class Seen(NamedTuple):
    """What one copy of the list said of a name."""

    day: str
    offer: Offer


class History:
    """Every name's copies, oldest first; `days` are those of all copies."""

    def __init__(self, copies: Iterable[tuple[str, Iterable[Offer]]]) -> None:
        self.days: list[str] = []
        self._seen: dict[tuple[str, str], list[Seen]] = {}
        self._scoped: dict[tuple[str, str, str], list[Seen]] = {}
        for day, offers in sorted(copies, key=lambda copy: copy[0]):
            self.days.append(day)
            same_model: dict[tuple[str, str], list[Offer]] = {}
            for offer in offers:
                if offer.scoped:
                    self._scoped.setdefault(_place(offer), []).append(Seen(day, offer))
                same_model.setdefault((offer.provider, offer.model.lower()), []).append(offer)
            for key, same in same_model.items():
                if (whole := united(same)) is not None:
                    self._seen.setdefault(key, []).append(Seen(day, whole))

    def names(self) -> Iterable[tuple[str, str]]:
        """Every (provider, name) that ever stood in a copy, as it was written last."""
        return ((key[0], seen[-1].offer.model) for key, seen in self._seen.items())

    def of(self, provider: str, name: str) -> Sequence[Seen]:
        """What the copies said of a name."""
        return self._seen.get((provider, name.lower()), ())

    def since(self, offer: Offer, when: Mapping[str, Any], rates: Rates, listed: str) -> str:
        """The first day since which every copy agreed with these rates.

        Where that is the name's first copy, it is the day that the name itself has, or that of the copy before: what
        was launched between the two was never sold otherwise.

        Args:
            offer: whose copies are looked at.
            when: the conditions that the rates hold under.
            rates: USD by leaf, as they are listed now.
            listed: the day (YYYY-MM-DD) of the list that has the rates, which is the answer if no copy agrees.
        """
        first = listed
        for seen in reversed(self._copies(offer)):
            known = seen.offer.rates_on(seen.day, when)
            if not known or not agree(known, rates):
                return first
            first = seen.day
        launch = launch_of([offer.model])
        if launch is not None:
            return min(launch, first)
        last = max((day for day in self.days if day < first), default=ALWAYS)
        return last if last >= _COMPLETE else first

    def disputed_since(
        self, offer: Offer, when: Mapping[str, Any], rates: Rates, since: str
    ) -> Rates:
        """The rates for which a copy taken on or after a day names another price.

        Args:
            offer: whose copies are looked at.
            when: the conditions that the rates hold under.
            rates: USD by leaf, as they are listed now.
            since: the day (YYYY-MM-DD).

        Returns:
            Leaf -> its rate now.
        """
        copies = self._copies(offer)
        listed = [seen.offer.rates_on(seen.day, when) for seen in copies if seen.day >= since]
        wrong = {leaf for known in listed for leaf in disputed(known, rates)}
        return {leaf: rates[leaf] for leaf in wrong}

    def _copies(self, offer: Offer) -> Sequence[Seen]:
        if offer.scoped:
            return self._scoped.get(_place(offer), ())
        return self.of(offer.provider, offer.model)

    def absent_until(self, provider: str, names: Iterable[str], listed: str) -> str:
        """The day of the last copy before any of the names was listed: no call can be much older.

        Args:
            provider: our id of the provider.
            names: all names of one model.
            listed: the day (YYYY-MM-DD) of the first list that has the model, if no copy does.

        Returns:
            The day, ALWAYS if the first copies have the model or were too small for its absence to mean anything.
        """
        days = [seen[0].day for name in names if (seen := self.of(provider, name))]
        first = min(days, default=listed)
        last = max((day for day in self.days if day < first), default=ALWAYS)
        return last if last >= _COMPLETE else ALWAYS


def _place(offer: Offer) -> tuple[str, str, str]:
    """A model and the scope that its id spells out."""
    return offer.provider, offer.model.lower(), repr(sorted(offer.terms[0].when.items()))


def agree(one: Rates, other: Rates) -> bool:
    """Whether two lists say the same of what the model is sold by: tokens in and out, or else all they both price."""
    both = shared(one, other)
    core = [leaf for leaf in both if leaf in CORE] or both
    return bool(core) and not disputed(one, other) & set(core)


def shared(one: Rates, other: Rates) -> list[str]:
    """Leaves that both have a price for."""
    return [leaf for leaf in one if leaf in other]


def disputed(one: Rates, other: Rates) -> set[str]:
    """Leaves for which they name different prices. By the second a price is often rounded: a thousandth is nothing."""
    return {
        leaf
        for leaf in shared(one, other)
        if one[leaf] != other[leaf]
        and not (leaf == "media_ms" and abs(one[leaf] - other[leaf]) * 1000 < one[leaf])
    }


def united(offers: Iterable[Offer]) -> Offer | None:
    """The same name listed for several endpoints (Gemini API and Vertex AI) as one, but for scopes spelled out; the
    first that is not in doubt says the price, the others what it does not. What they price differently under a
    condition has no price: a call does not say which endpoint it used."""
    unscoped = sorted(
        (offer for offer in offers if not offer.scoped), key=lambda offer: bool(offer.doubts)
    )
    if not unscoped:
        return None
    first = unscoped[0]
    others = [
        offer
        for offer in unscoped[1:]
        if offer.doubts == first.doubts
        and agree(offer.rates_on("9999", {}), first.rates_on("9999", {}))
    ]
    terms = list(first.terms)
    for offer in others:
        known = [each.when for each in terms]
        terms += [each for each in offer.terms if each.when not in known]
    endpoints = (first, *others)
    return first._replace(terms=tuple(_joined(each, endpoints) for each in terms))


def _joined(terms: Terms, offers: Iterable[Offer]) -> Terms:
    """The rates of all endpoints, without those they dispute; none at all where they dispute tokens in or out."""
    listed = [rates for offer in offers if (rates := offer.rates_on("9999", terms.when))]
    wrong = {leaf for one in listed for other in listed for leaf in disputed(one, other)}
    if not terms.rates or (terms.when and wrong & set(CORE)):
        return terms._replace(rates={})
    rates = {leaf: rate for one in (*listed, terms.rates) for leaf, rate in one.items()}
    return terms._replace(rates={leaf: rate for leaf, rate in rates.items() if leaf not in wrong})
