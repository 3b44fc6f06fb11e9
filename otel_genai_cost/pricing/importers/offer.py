"""What one price list says of one model, in the words of this project: what importers give and merging takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

__all__ = [
    "ALWAYS",
    "NO_SOURCE",
    "Offer",
    "Rates",
    "Terms",
    "is_junk",
    "is_upside_down",
    "launch_of",
    "multiplied",
    "sound",
    "text_of",
]

Rates = Mapping[str, Decimal]
"""Leaf -> published price, per the unit of `book.PER`."""

NO_SOURCE: Final = "one list alone has it, and names no source"
"""The one doubt that another list can lift."""

ALWAYS: Final = "1970-01-01"
"""Since when a price holds that the list does not date."""

_DIGITS_MAX: Final = 9
_RECURRING: Final = re.compile(r"3333|6666|6667|9999|0000[1-9]")
_DAY: Final = re.compile(r"(20[12]\d)-?(0[1-9]|1[0-2])-?([0-2]\d|3[01])(?!\d)")
_MONTH: Final = re.compile(r"(?<!\d)(2[3-6])(0[1-9]|1[0-2])(?!\d)")
_MONTH_FIRST: Final = re.compile(r"(?<!\d)(0[1-9]|1[0-2])-(20[12]\d)(?!\d)")
_TOKEN_LEAVES_TIMES: Final = ("input", "output", "cache", "reasoning")


class Terms(NamedTuple):
    """Rates under conditions, from one day to another. `from_day` is ALWAYS where the list gives no date."""

    when: Mapping[str, Any]
    from_day: str
    to_day: str | None
    rates: Rates

    def holds_on(self, day: str) -> bool:
        """Whether the day lies in its time."""
        return self.from_day <= day and (self.to_day is None or day < self.to_day)


class Offer(NamedTuple):
    """A model of one list: its provider by our id, its exact names, its terms, and why it may not be trusted."""

    provider: str
    model: str
    names: tuple[str, ...]
    terms: tuple[Terms, ...]
    source: str
    doubts: tuple[str, ...] = ()

    @property
    def scoped(self) -> bool:
        """Whether its id spells out a region or a deployment type."""
        return any(
            "region" in terms.when or "deployment_type" in terms.when for terms in self.terms
        )

    def rates_on(self, day: str, when: Mapping[str, Any]) -> Rates:
        """The rates under exactly these conditions on a day; none if it says nothing of them."""
        held = [terms.rates for terms in self.terms if terms.when == when and terms.holds_on(day)]
        return held[-1] if held else {}


def is_junk(price: Decimal) -> bool:
    """Whether a price looks like what a binary fraction or a rounded division leaves behind."""
    digits = "".join(map(str, price.normalize().as_tuple().digits))
    return len(digits) > _DIGITS_MAX or _RECURRING.search(digits) is not None


def sound(terms: Terms) -> Terms:
    """The terms without what a float left behind beside a sound price of input and output: of those that leaf alone is
    doubtful (genai-prices' cache writes of OpenRouter's Gemini, by the hour)."""
    core = [terms.rates[leaf] for leaf in ("input", "output") if leaf in terms.rates]
    if not core or any(map(is_junk, core)):
        return terms
    kept = {leaf: price for leaf, price in terms.rates.items() if not is_junk(price)}
    return terms._replace(rates=kept)


def is_upside_down(terms: Iterable[Terms]) -> bool:
    """Whether cached input is dearer than fresh: somebody mixed up two prices."""
    return any(each.rates.get("cache_read", 0) > each.rates.get("input", 0) > 0 for each in terms)


def multiplied(rates: Rates, factor: Decimal) -> dict[str, Decimal]:
    """The rates of tokens times a factor; fees for tools and the like are not multiplied."""
    return {
        leaf: price * factor if leaf.startswith(_TOKEN_LEAVES_TIMES) else price
        for leaf, price in rates.items()
    }


def text_of(price: Decimal) -> str:
    """The price without exponent or trailing zeros."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def launch_of(names: Iterable[str]) -> str | None:
    """The earliest day or month that a model's names have: no call can be older."""
    days = [found for name in names if (found := _day_in(name)) is not None]
    return min(days, default=None)


def _day_in(name: str) -> str | None:
    if (day := _DAY.search(name)) is not None:
        return "-".join(day.groups())
    if (month := _MONTH_FIRST.search(name)) is not None:
        return f"{month[2]}-{month[1]}-01"
    if (month := _MONTH.search(name)) is not None:
        return f"20{month[1]}-{month[2]}-01"
    return None
