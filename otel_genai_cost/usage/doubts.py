"""What is on a span and was not understood: it makes the figure `estimated`, and stands among the reading's doubts.

A doubt is a word and what it is about: `unread:ATTRIBUTE`, `unrecorded_version:VERSION`, `exceeds_total`,
`two_conventions` (whether the cache, or reasoning, is inside the total).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from numbers import Real
from typing import Final

from otel_genai_cost.usage.counts import CACHE, estimated
from otel_genai_cost.usage.leaves import Usage
from otel_genai_cost.usage.read import Attributes, Reading
from otel_genai_cost.usage.seen import HARMLESS, LOOKS_LIKE_USAGE, TOTALS
from otel_genai_cost.usage.values import named, raw_of

__all__ = ["DOUBTS_MAX", "Unread", "doubted", "with_doubts"]

DOUBTS_MAX: Final = 8
_DOUBT_LIMIT: Final = 160
_JUDGED_MAX: Final = 4096
_BESIDE_TOTALS: Final = frozenset({"perplexity"})
"""Who bills more than its own total has: what research read and thought."""

_DIGITS: Final = re.compile(r"[1-9]")
_NUMBER: Final = re.compile(r"\d{0,20}[1-9]\d{0,20}(?:\.\d{0,20})?|\d{1,20}\.\d{0,20}[1-9]\d{0,20}")
_TEXT_LIMIT: Final = 4096


class Unread:
    """The attributes of a span that look like usage or cost and are none of the names that its dialect reads.

    Names are judged once; what is remembered of them is bounded.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._judged: dict[str, bool] = {}

    def among(self, present: Iterable[str]) -> tuple[str, ...]:
        """Those of a span."""
        judged = self._judged
        found: list[str] = []
        for name in present:
            is_suspect = judged.get(name)
            if is_suspect is None:
                is_suspect = self._judge(name)
            if is_suspect:
                found.append(name)
        return tuple(found)

    def _judge(self, name: str) -> bool:
        is_suspect = (
            name not in self._names
            and LOOKS_LIKE_USAGE.search(name) is not None
            and HARMLESS.search(name) is None
        )
        if len(self._judged) < _JUDGED_MAX:
            self._judged[name] = is_suspect
        return is_suspect


def with_doubts(reading: Reading, attributes: Attributes, unread: Iterable[str]) -> Reading:
    """A dialect's reading, turned into an estimate where the span shows that there is more to it.

    Args:
        reading: as the dialect made it.
        attributes: the span's.
        unread: names of attributes that look like usage and were not read; those that repeat what was read, or say that
            there was nothing, do not count.
    """
    usage = reading.usage
    if usage.quality != "reported" or reading.role == "context":
        return reading
    unread_values = [
        name
        for name in unread
        if _says_something(name, attributes[name]) and not _repeats(name, attributes[name], usage)
    ]
    why = [f"unread:{name}" for name in unread_values[:DOUBTS_MAX]]
    if reading.provider not in _BESIDE_TOTALS and _exceeds_total(usage, attributes):
        why.append("exceeds_total")
    return doubted(reading, attributes, *why) if why else reading


def doubted(reading: Reading, attributes: Attributes, *why: str) -> Reading:
    """A reading turned into an estimate; the attributes that it is about are kept.

    Args:
        reading: as it was.
        attributes: the span's.
        why: the doubts, as the module describes them.
    """
    doubts = (*reading.doubts, *(each[:_DOUBT_LIMIT] for each in why))[:DOUBTS_MAX]
    raw = reading.raw or raw_of(attributes, tuple(_abouts(doubts)) or ("gen_ai.usage.",))
    return reading._replace(usage=estimated(reading.usage), doubts=doubts, raw=raw)


def _abouts(doubts: tuple[str, ...]) -> list[str]:
    return [
        about for word, _, about in (each.partition(":") for each in doubts) if word == "unread"
    ]


def _says_something(name: str, value: object) -> bool:
    """Whether a value may be a quantity: a number that isn't 0, a text of one, an object with one in it."""
    if isinstance(value, bool):
        return value and name.endswith(("cache_hit", "from_cache", "cached"))
    if isinstance(value, Real):
        return bool(value)
    if not isinstance(value, str):
        return False
    text = value[:_TEXT_LIMIT]
    if text[:1] in "{[":
        return _DIGITS.search(text) is not None
    return _NUMBER.fullmatch(text) is not None


def _repeats(name: str, value: object, usage: Usage) -> bool:
    """Whether an attribute only says again what was read, by its name and its number."""
    leaves = usage.leaves
    input_total, output_total = usage.input_total or 0, usage.output_total or 0
    cached = [leaves[leaf] for leaf in CACHE if leaf in leaves]
    written = [n for leaf, n in leaves.items() if leaf.startswith("cache_write")]
    word = name.casefold()
    if "cach" in word:
        return value in (*cached, sum(cached), sum(written))
    if named(word, "reason", "thought", "thinking"):
        return value == leaves.get("reasoning")
    if named(word, "audio", "image", "video", "search", "cost", "credit", "spend"):
        return any(value == n for leaf, n in leaves.items() if leaf.rpartition("_")[2] in word)
    if "total" in word:
        total = input_total + output_total
        return value in (total, total - sum(cached), input_total, output_total)
    if named(word, "input", "prompt"):
        return value in (input_total, leaves.get("input"), input_total - sum(cached))
    return named(word, "output", "completion", "candidates") and value in (
        output_total,
        leaves.get("output"),
    )


def _exceeds_total(usage: Usage, attributes: Attributes) -> bool:
    """Whether input and output are more than a total on the same span; one that leaves the cache out is none."""
    totals = [attributes[name] for name in TOTALS if name in attributes]
    if not totals or type(totals[0]) is not int or usage.input_total is None:
        return False
    excess = usage.input_total + (usage.output_total or 0) - totals[0]
    cached = sum(usage.leaves.get(leaf, 0) for leaf in CACHE)
    return totals[0] > 0 and excess > 0 and excess != cached
