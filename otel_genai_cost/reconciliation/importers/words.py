"""The words that bills have for leaves, tiers, units and kinds of lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from otel_genai_cost.reconciliation.bill import BillLineKind
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES

__all__ = ["TIERS", "kind_of_words", "leaf_and_tier", "quantity_of", "tier_of", "unit_of"]

_WORD: Final = re.compile(r"[a-z]+|\d+[a-z]*")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TIERS: Final[Mapping[str, str]] = {
    "batch": "batch",
    "batches": "batch",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
    "scale": "scale",
}
TIERS: Final = frozenset(_TIERS.values())
"""But for the standard one."""

_STANDARD: Final = frozenset({"", "standard", "default", "auto", "on_demand", "none"})
_NOISE: Final = frozenset(
    {"tokens", "token", "text", "count", "usage", "calls", "call", "ephemeral", "api", "per"}
    | {"long", "short", "context"}
)
_LEAVES: Final[Mapping[str, str]] = {
    "input": "input",
    "prompt": "input",
    "uncached input": "input",
    "cached input": "cache_read",
    "cached": "cache_read",
    "cached prompt": "cache_read",
    "cache hit": "cache_read",
    "cache read": "cache_read",
    "cache read input": "cache_read",
    "cached read": "cache_read",
    "cache write": "cache_write",
    "cache writes": "cache_write",
    "cache write input": "cache_write",
    "cache creation": "cache_write",
    "cache creation input": "cache_write",
    "cache write 5m": "cache_write_5m",
    "cache write 5m input": "cache_write_5m",
    "cache creation 5m input": "cache_write_5m",
    "cache creation 5m": "cache_write_5m",
    "cache write 30m": "cache_write_5m",
    "cache write 30m input": "cache_write_5m",
    "cache write 1h": "cache_write_1h",
    "cache write 1h input": "cache_write_1h",
    "cache creation 1h input": "cache_write_1h",
    "cache creation 1h": "cache_write_1h",
    "cache write 12h": "cache_write_12h",
    "cache write 12h input": "cache_write_12h",
    "output": "output",
    "completion": "output",
    "completions": "output",
    "reasoning": "reasoning",
    "output reasoning": "reasoning",
    "thinking": "reasoning",
    "audio input": "input_audio",
    "audio cached input": "cache_read_audio",
    "audio cached": "cache_read_audio",
    "audio output": "output_audio",
    "image input": "input_image",
    "image cached input": "cache_read",
    "image output": "output_image",
    "video input": "input_video",
    "web search": "web_searches",
    "web searches": "web_searches",
    "images": "images",
    "image": "images",
    "image generation": "images",
    "characters": "characters",
    "tts": "characters",
    "seconds": "media_ms",
    "audio duration": "media_ms",
    "transcription": "media_ms",
    "pages": "pages",
    "requests": "requests",
    "request": "requests",
    "citation": "citation",
}
"""By words in any order, after what says nothing is left out."""

_BY_WORDS: Final = {frozenset(words.split()): leaf for words, leaf in _LEAVES.items()}
_BY_NAME: Final = frozenset((*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES))

_KINDS: Final[tuple[tuple[re.Pattern[str], BillLineKind], ...]] = (
    (re.compile(r"\b(credits?|refunds?|grants?|promotion(al)?|free tier)\b"), "credit"),
    (re.compile(r"\b(\w*discounts?|rebates?|edp|committed)\b"), "discount"),
    (re.compile(r"\b(tax(es)?|vat|gst|hst|pst|sales tax|mwst|ust)\b"), "tax"),
    (re.compile(r"\b(rounding)\b"), "rounding"),
)

_UNITS: Final[Mapping[str, tuple[int, str | None]]] = {
    "token": (1, None),
    "tokens": (1, None),
    "1000_tokens": (1_000, None),
    "1k tokens": (1_000, None),
    "1k": (1_000, None),
    "k": (1_000, None),
    "1m tokens": (1_000_000, None),
    "1m": (1_000_000, None),
    "m": (1_000_000, None),
    "duration_seconds": (1_000, "media_ms"),
    "seconds": (1_000, "media_ms"),
    "second": (1_000, "media_ms"),
    "duration_minutes": (60_000, "media_ms"),
    "minutes": (60_000, "media_ms"),
    "duration_hours": (3_600_000, "media_ms"),
    "hours": (3_600_000, "media_ms"),
    "images": (1, "images"),
    "image": (1, "images"),
    "characters": (1, "characters"),
    "requests": (1, "requests"),
}
"""Of a leaf's units, how many one is; and the leaf, where the unit says it."""


def leaf_and_tier(text: str) -> tuple[str | None, str]:
    """The leaf that words stand for, None if for none; and the tier that they name.

    Args:
        text: a bill's words for a type of tokens, or for what else is counted.
    """
    if text in _BY_NAME:
        return text, ""
    words = _WORD.findall(_CAMEL.sub(" ", text).lower())
    tiers = [_TIERS[word] for word in words if word in _TIERS]
    said = frozenset(word for word in words if word not in _TIERS and word not in _NOISE)
    return _BY_WORDS.get(said), tiers[0] if tiers else ""


def tier_of(value: object) -> str:
    """A tier by one name; "" for the standard one.

    Args:
        value: a bill's word, or whether it was a batch.
    """
    if value is None or isinstance(value, bool):
        return "batch" if value else ""
    word = str(value).strip().lower()
    return "" if word in _STANDARD else _TIERS.get(word, word)


def kind_of_words(text: str) -> BillLineKind | None:
    """What a line is for that is of no usage; None if the words do not say."""
    folded = _CAMEL.sub(" ", text).replace("_", " ").lower()
    return next((kind for words, kind in _KINDS if words.search(folded)), None)


def unit_of(text: str | None) -> tuple[int, str | None]:
    """How many of a leaf's units a bill's unit is; and the leaf, where the unit says it.

    Raises:
        ValueError: for a unit that nobody knows.
    """
    if not text:
        return 1, None
    found = _UNITS.get(text.strip().lower())
    if found is None:
        raise ValueError(f"no unit that is known: {text[:60]!r}")
    return found


def quantity_of(value: Any, times: int = 1) -> Fraction | None:
    """A quantity of a leaf's units; None if there is none.

    Args:
        value: as the bill has it.
        times: how many of the leaf's units one is.

    Raises:
        ValueError: if it is no number.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise ValueError(f"not a quantity: {str(value)[:60]!r}")
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except ArithmeticError:
        raise ValueError(f"not a quantity: {str(value)[:60]!r}") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError(f"not a quantity: {str(value)[:60]!r}")
    return Fraction(number) * times
