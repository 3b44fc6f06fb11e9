"""The meters of clouds: a model, a type of tokens and a tier in one run of words, abbreviated as each vendor likes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = ["Meter", "meter_of", "times_of"]

_REGION: Final = re.compile(r"^(?:[A-Z]{2,4}\d?-(?:MP:)?(?:[A-Z]{2,4}\d?_)?)")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=\d)(?=[A-Z][a-z])|(?<=[a-z]{3})(?=v?\d)")
_WORD: Final = re.compile(r"[a-z]+\d*[a-z]*|\d+(?:\.\d+)*[a-z]*")

_SAYS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("input", "inp", "in", "inpt", "prompt"), "input"),
    **dict.fromkeys(
        ("output", "outp", "outpt", "out", "opt", "otpt", "completion", "response"), "output"
    ),
    **dict.fromkeys(("cached", "cache", "cach", "ch", "cchd", "cd", "caching"), "cached"),
    **dict.fromkeys(("write", "wr", "writes", "creation"), "write"),
    "storage": "storage",
    **dict.fromkeys(("read", "rd", "reads", "hit"), "read"),
    **dict.fromkeys(("audio", "aud"), "audio"),
    **dict.fromkeys(("image", "img", "images"), "image"),
    **dict.fromkeys(("video", "vid"), "video"),
    **dict.fromkeys(("thinking", "reasoning"), "reasoning"),
    **dict.fromkeys(("batch", "batches", "bat"), "batch"),
    "flex": "flex",
    **dict.fromkeys(("priority", "pp", "prty"), "priority"),
    **dict.fromkeys(("1h", "1hr", "1hour"), "1h"),
    **dict.fromkeys(("5m", "5min"), "5m"),
}
_SILENT: Final = frozenset(
    {
        *(
            "tokens",
            "token",
            "text",
            "txt",
            "units",
            "unit",
            "count",
            "per",
            "million",
            "online",
            "ga",
        ),
        *("glbl", "gl", "global", "regnl", "regional", "rgnl", "dz", "dzone", "data", "zone"),
        *("predictions", "prediction", "1m", "1k", "k", "m", "cross", "region", "model", "amazon"),
        *(
            "bedrock",
            "edition",
            "on",
            "demand",
            "ondemand",
            "standard",
            "std",
            "generate",
            "content",
        ),
        *("azure", "openai", "vertex", "ai", "for", "the", "of", "and"),
        *("long", "short", "co", "longco", "ctx", "lctx", "context", "dzn", "mantle"),
    }
)
_FULL: Final[Mapping[str, str]] = {"rt": "realtime", "mn": "mini"}
_CALL: Final = re.compile(r"\b(?:generate|embed)[ _]?content\b", re.IGNORECASE)
"""What was called, which is no part of the model's name."""

_COUNTED: Final = re.compile(r"\b(input|output) token count\b", re.IGNORECASE)
"""What is counted, where the meter speaks of the size of the input as well."""

_TIERS: Final = ("batch", "flex", "priority")
_TIMES: Final = (
    (re.compile(r"1m\b|million|1,?000,?000|1 ?m\b", re.IGNORECASE), 1_000_000),
    (re.compile(r"1k\b|thousand|1,?000\b|1 ?k\b", re.IGNORECASE), 1_000),
)


class Meter(NamedTuple):
    """What a meter counts: a model's name as far as it says one, a leaf, a tier; "" for the standard."""

    model: str | None
    leaf: str | None
    tier: str


def meter_of(text: str) -> Meter:
    """What the words of a meter say.

    Args:
        text: its name.
    """
    text = _CALL.sub(" ", _REGION.sub("", text)).replace("text-embedding", "textembedding")
    words: list[str] = _WORD.findall(_CAMEL.sub(" ", text).lower())
    said = {_SAYS[word] for word in words if word in _SAYS}
    rest = [word for word in words if word not in _SAYS and word not in _SILENT]
    if counted := _COUNTED.search(text):
        said = said - {"input", "output"} | {counted[1].lower()}
    elif any("embedding" in word for word in rest) and "output" not in said:
        said.add("input")  # all that there is
    tier = next((one for one in _TIERS if one in said), "")
    model = "-".join(_FULL.get(word, word) for word in rest).replace(
        "textembedding", "text-embedding"
    )
    return Meter(model or None, _leaf(said), tier)


def _leaf(said: set[str]) -> str | None:
    if "storage" in said:  # of tokens by the hour
        return None
    if "cached" in said and "write" in said:
        return next((f"cache_write_{one}" for one in ("1h", "5m") if one in said), "cache_write")
    if "cached" in said:
        return "cache_read_audio" if "audio" in said else "cache_read"
    if "reasoning" in said:
        return "reasoning"
    for way in ("input", "output"):
        if way in said:
            of = next((one for one in ("audio", "image", "video") if one in said), None)
            return way if of is None or (way, of) == ("output", "video") else f"{way}_{of}"
    return None


def times_of(unit: str) -> int | None:
    """How many tokens one unit is; None if the words do not say.

    Args:
        unit: `1K tokens`, `1M`, `Million Input Tokens`, `tokens`.
    """
    for words, times in _TIMES:
        if words.search(unit):
            return times
    return 1 if re.search(r"token|count|request", unit, re.IGNORECASE) else None
