"""What leaves and units are called on statements and in FOCUS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["meter_words", "unit_words"]

_METERS: Final[Mapping[str, str]] = {
    "input": "Input Tokens",
    "input_audio": "Audio Input Tokens",
    "input_image": "Image Input Tokens",
    "input_video": "Video Input Tokens",
    "cache_read": "Cached Input Tokens",
    "cache_read_audio": "Cached Audio Input Tokens",
    "cache_write": "Cache Write Tokens",
    "cache_write_5m": "Cache Write Tokens 5 Minutes",
    "cache_write_1h": "Cache Write Tokens 1 Hour",
    "cache_write_12h": "Cache Write Tokens 12 Hours",
    "output": "Output Tokens",
    "output_audio": "Audio Output Tokens",
    "output_image": "Image Output Tokens",
    "reasoning": "Reasoning Tokens",
    "citation": "Citation Tokens",
    "media_ms": "Media Milliseconds",
}
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")


def meter_words(leaf: str) -> str:
    """What of a model is counted: `Cached Input Tokens`.

    Args:
        leaf: of usage; an unknown one is spelled out.
    """
    return _METERS.get(leaf) or unit_words(leaf)


def unit_words(unit: str) -> str:
    """A unit as FOCUS writes it, words that begin with a capital: `Tokens`, `Web Searches`.

    Args:
        unit: of a line; what FOCUS has no letters for is left out.
    """
    words = _WORD.findall(unit.replace("_", " "))
    return " ".join(word[:1].upper() + word[1:] for word in words) or "Units"
