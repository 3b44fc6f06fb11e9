"""What an instrumentation counted, before it is cut into leaves: totals, and parts named after their leaf.

Parts overlap as providers report them (see `leaves.partition`). Values are foreign until that has looked at them.
"""

from __future__ import annotations

import re
from collections.abc import KeysView, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.leaves import INPUT_LEAVES, NO_USAGE, Usage, partition
from otel_genai_cost.usage.read import Attributes
from otel_genai_cost.usage.values import whole

__all__ = [
    "CACHE",
    "NO_COUNTS",
    "Counts",
    "Spelling",
    "estimated",
    "including_cache",
    "may_use",
    "proves_exclusive",
    "spelled",
    "usage_of",
    "whole_counts",
]


class Counts(NamedTuple):
    """Totals in the sense of the conventions (input includes the cache, output includes reasoning), and parts."""

    input_total: Any
    output_total: Any
    parts: Mapping[str, Any]


NO_COUNTS: Final = Counts(None, None, {})


class Spelling(NamedTuple):
    """The attributes that hold counts: of several names the first that is there. `parts` is attribute -> leaf."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parts: Mapping[str, str]

    def names(self) -> frozenset[str]:
        """All of them."""
        return frozenset((*self.inputs, *self.outputs, *self.parts))

    def among(self, present: KeysView[str]) -> Spelling:
        """The same without the names that a span does not have."""
        return Spelling(
            tuple([name for name in self.inputs if name in present]),
            tuple([name for name in self.outputs if name in present]),
            {name: leaf for name, leaf in self.parts.items() if name in present},
        )


CACHE: Final = frozenset(
    ("cache_read", *(leaf for leaf in INPUT_LEAVES if leaf.startswith("cache_write")))
)
"""Parts of the input that some leave out of it."""

_MAY_USE: Final = {
    "cache_read": re.compile(
        r"^(?!.*(?:meta\.llama|mistral\.mi|titan|embed|rerank))", re.IGNORECASE
    ),
    "cache_write": re.compile(r"claude|nova|gpt-(?:5\.[6-9]|[6-9])|^arn:", re.IGNORECASE),
    "input_audio": re.compile(r"audio|realtime|transcribe|gemini|voxtral|omni", re.IGNORECASE),
    "output_audio": re.compile(r"audio|realtime|tts|native", re.IGNORECASE),
    "reasoning": re.compile(r"grok", re.IGNORECASE),
    "thoughts": re.compile(r"gemini-(?:2\.5|[3-9])", re.IGNORECASE),
}
"""Leaves whose lack may hide money, and the models that can have them. Reasoning costs what output costs; it is
money where the output leaves it out, as xAI's does, and Gemini's its thoughts. Llama and
Mistral have no cache on Bedrock, and one at others (Groq, Mistral itself)."""


def spelled(attributes: Attributes, spelling: Spelling) -> Counts:
    """The counts of a span under one spelling; NO_COUNTS itself if there is none."""
    input_total = output_total = None
    for name in spelling.inputs:
        if (input_total := attributes.get(name)) is not None:
            break
    for name in spelling.outputs:
        if (output_total := attributes.get(name)) is not None:
            break
    found: dict[str, Any] = {}
    parts = spelling.parts
    for name in parts:
        if name in attributes:
            leaf = parts[name]
            if leaf not in found:
                found[leaf] = attributes[name]
    if input_total is None and output_total is None and not found:
        return NO_COUNTS
    return Counts(input_total, output_total, found)


def whole_counts(counts: Counts) -> Counts:
    """The counts with doubles that are whole as integers, as units that were billed come; NO_COUNTS stays itself."""
    if counts is NO_COUNTS:
        return counts
    parts: dict[str, Any] = {leaf: whole(n) for leaf, n in counts.parts.items()}
    return Counts(whole(counts.input_total), whole(counts.output_total), parts)


def including_cache(counts: Counts) -> Counts:
    """Counts whose input leaves the cache out, as totals in the sense of the conventions."""
    input_total, output_total, parts = counts
    if type(input_total) is not int:
        return counts
    cached = _cached(parts)
    return counts if cached is None else Counts(input_total + cached, output_total, parts)


def _cached(parts: Mapping[str, Any]) -> int | None:
    """Cache reads and writes together; None where one of them is no count."""
    total = 0
    for leaf, n in parts.items():
        if leaf in CACHE:
            if type(n) is not int:
                return None
            total += n
    return total


def proves_exclusive(counts: Counts) -> bool:
    """Whether the input is too small to hold the cache. The reverse proves nothing."""
    cached = _cached(counts.parts)
    return bool(cached) and type(counts.input_total) is int and counts.input_total < (cached or 0)


def usage_of(counts: Counts) -> Usage:
    """The counts as leaves; NO_USAGE itself if there are none."""
    return NO_USAGE if counts is NO_COUNTS else partition(*counts)


def estimated(usage: Usage) -> Usage:
    """Usage that is somebody's guess, or less than what was used."""
    return usage._replace(quality="estimated") if usage.quality == "reported" else usage


@lru_cache(maxsize=1024)
def may_use(leaf: str, model: str | None) -> bool:
    """Whether a model can have a leaf that costs something else than the rest."""
    pattern = _MAY_USE.get(leaf)
    return pattern is not None and (model is None or pattern.search(model) is not None)
