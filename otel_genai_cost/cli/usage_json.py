"""Usage as people script it: the JSON keys of totals and parts, which overlap as providers report them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.usage.leaves import Usage

__all__ = ["PARTS", "usage_record"]

PARTS: Final[Mapping[str, str]] = {
    "cache_read_tokens": "cache_read",
    "cache_write_5m_tokens": "cache_write_5m",
    "cache_write_1h_tokens": "cache_write_1h",
    "cache_write_12h_tokens": "cache_write_12h",
    "cache_write_tokens": "cache_write",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "input_video_tokens": "input_video",
    "cached_audio_tokens": "cache_read_audio",
    "reasoning_tokens": "reasoning",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
    "web_searches": "web_searches",
    "images": "images",
    "characters": "characters",
    "pages": "pages",
    "requests": "requests",
    "citation_tokens": "citation",
}
"""A key of `usage` and its leaf."""

_OVERLAPPING: Final = ("cache_read_tokens", "input_audio_tokens")
"""Both count cached audio, which has a leaf of its own."""


def usage_record(usage: Usage) -> dict[str, Any]:
    """Totals and parts; what was not reported is left out."""
    leaves = usage.leaves
    record: dict[str, Any] = {
        key: total
        for key, total in (
            ("input_tokens", usage.input_total),
            ("output_tokens", usage.output_total),
        )
        if total is not None
    }
    for key, leaf in PARTS.items():
        counted = [leaf, "cache_read_audio"] if key in _OVERLAPPING else [leaf]
        if any(one in leaves for one in counted):
            record[key] = sum(leaves.get(one, 0) for one in counted)
    if "media_ms" in leaves:
        seconds, rest_ms = divmod(leaves["media_ms"], 1000)
        record["seconds"] = seconds if not rest_ms else leaves["media_ms"] / 1000
    return record
