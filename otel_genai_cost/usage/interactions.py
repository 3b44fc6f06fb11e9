"""Usage as Gemini's Interactions API reports it: what tools read and what the model thought stand beside the totals, as
in Gemini's other usage object, under other names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from otel_genai_cost.usage.counts import Counts
from otel_genai_cost.usage.values import Object, objects

__all__ = ["MARK", "interaction", "sum_of"]

MARK: Final = "total_input_tokens"
"""The key that no other usage object has."""

_LEAVES: Final = (
    ("input_tokens_by_modality", "input", ("audio", "image", "video")),
    ("tool_use_tokens_by_modality", "input", ("audio", "image", "video")),
    ("output_tokens_by_modality", "output", ("audio", "image")),
)


def interaction(usage: Object) -> Counts:
    """The counts of an interaction.

    Args:
        usage: as the API has it.
    """
    parts: dict[str, Any] = {}
    for leaf, key in (("cache_read", "total_cached_tokens"), ("reasoning", "total_thought_tokens")):
        if (count := usage.get(key)) is not None:
            parts[leaf] = count
    for key, side, kinds in _LEAVES:
        for modality, count in _by(usage, key, "modality", "tokens"):
            if modality in kinds:
                leaf = f"{side}_{modality}"
                parts[leaf] = sum_of(parts.get(leaf), count)
    for modality, count in _by(usage, "cached_tokens_by_modality", "modality", "tokens"):
        if modality == "audio":
            parts["cache_read_audio"] = count
    return Counts(
        sum_of(usage.get(MARK), usage.get("total_tool_use_tokens")),
        sum_of(usage.get("total_output_tokens"), usage.get("total_thought_tokens")),
        parts,
    )


def _by(usage: Object, key: str, name: str, count: str) -> Iterable[tuple[str, Any]]:
    for each in objects(usage.get(key)):
        kind = each.get(name)
        if isinstance(kind, str):
            yield kind.casefold(), each.get(count)


def sum_of(one: Any, other: Any) -> Any:
    """The sum of two counts of which one may be absent; what is no count is kept, to be refused later.

    Args:
        one: a count; None if it was not reported.
        other: likewise.
    """
    if one is None or other is None:
        return other if one is None else one
    if type(one) is int and type(other) is int:
        return one + other
    return other if type(one) is int else one
