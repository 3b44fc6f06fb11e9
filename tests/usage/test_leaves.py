"""Leaves: disjoint, and they re-add to what the provider said, or the usage is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.usage.leaves import (
    COUNT_LEAVES,
    INPUT_LEAVES,
    NO_USAGE,
    OUTPUT_LEAVES,
    QUANTITY_LIMIT,
    Usage,
    partition,
)

_quantity = st.integers(0, 10**9)
_INPUT_PARTS = tuple(leaf for leaf in INPUT_LEAVES if leaf not in ("input", "cache_read_audio"))
_OUTPUT_PARTS = tuple(leaf for leaf in OUTPUT_LEAVES if leaf != "output")


@st.composite
def honest_reports(draw: st.DrawFn) -> tuple[int, int, dict[str, int], dict[str, int]]:
    """Totals and overlapping parts as a provider reports them, and the disjoint leaves they were made from."""
    leaves: dict[str, int] = draw(
        st.fixed_dictionaries(
            {"input": _quantity, "output": _quantity},
            optional={leaf: _quantity for leaf in (*_INPUT_PARTS, *_OUTPUT_PARTS, *COUNT_LEAVES)},
        )
    )
    parts = {leaf: n for leaf, n in leaves.items() if leaf not in ("input", "output")}
    if "cache_read" in parts and "input_audio" in parts and draw(st.booleans()):
        leaves["cache_read_audio"] = parts["cache_read_audio"] = draw(_quantity)
        parts["cache_read"] += parts["cache_read_audio"]
        parts["input_audio"] += parts["cache_read_audio"]
    input_total = sum(leaves.get(leaf, 0) for leaf in INPUT_LEAVES)
    output_total = sum(leaves.get(leaf, 0) for leaf in OUTPUT_LEAVES)
    return input_total, output_total, parts, leaves


@given(honest_reports())
def test_leaves_re_add_to_both_totals(
    report: tuple[int, int, dict[str, int], dict[str, int]],
) -> None:
    input_total, output_total, parts, leaves = report
    usage = partition(input_total, output_total, parts)
    assert usage.quality == "reported"
    assert usage.leaves == leaves
    assert sum(usage.leaves.get(leaf, 0) for leaf in INPUT_LEAVES) == input_total
    assert sum(usage.leaves.get(leaf, 0) for leaf in OUTPUT_LEAVES) == output_total


@given(
    st.none() | st.integers(-5, 50),
    st.none() | st.integers(-5, 50),
    st.dictionaries(
        st.sampled_from((*_INPUT_PARTS, *_OUTPUT_PARTS, *COUNT_LEAVES)), st.integers(-5, 50)
    ),
)
def test_whatever_is_reported_no_leaf_is_negative_and_none_is_lost(
    input_total: int | None, output_total: int | None, parts: dict[str, int]
) -> None:
    usage = partition(input_total, output_total, parts)
    assert all(quantity >= 0 for quantity in usage.leaves.values())
    if usage.quality == "reported" and input_total is not None:
        assert sum(usage.leaves.get(leaf, 0) for leaf in INPUT_LEAVES) == input_total
    if usage.quality != "reported":
        assert not usage.leaves


def test_cached_audio_is_part_of_both_audio_and_cache_reads() -> None:
    usage = partition(
        1000, 50, {"input_audio": 600, "cache_read": 500, "cache_read_audio": 400, "reasoning": 20}
    )
    assert usage.leaves == {
        "input_audio": 200,
        "cache_read": 100,
        "cache_read_audio": 400,
        "reasoning": 20,
        "input": 300,
        "output": 30,
    }


def test_absent_is_not_zero() -> None:
    assert partition(None, None, {}) is NO_USAGE
    assert partition(7, None, {}).leaves == {"input": 7}
    assert partition(7, None, {"cache_read": 0}).leaves == {"cache_read": 0, "input": 7}
    assert partition(None, None, {"web_searches": 2}).leaves == {"web_searches": 2}


@pytest.mark.parametrize(
    ("input_total", "output_total", "parts"),
    [
        (10, 5, {"cache_read": 11}),
        (10, 5, {"cache_read": 6, "cache_write_5m": 5}),
        (10, 5, {"reasoning": 6}),
        (None, 5, {"cache_read": 1}),
        (10, 5, {"cache_read_audio": 1}),
    ],
)
def test_parts_that_contradict_their_total_give_no_leaves(
    input_total: int | None, output_total: int | None, parts: dict[str, int]
) -> None:
    usage = partition(input_total, output_total, parts)
    assert usage == Usage({}, input_total, output_total, "inconsistent")


@pytest.mark.parametrize(
    "quantity", [-1, 1.5, 3.0, float("nan"), True, "12", 10**18, QUANTITY_LIMIT, [1]]
)
@pytest.mark.parametrize("place", ["input", "output", "cache_read"])
def test_what_is_no_count_is_refused(quantity: Any, place: str) -> None:
    parts = {"cache_read": quantity} if place == "cache_read" else {}
    usage = partition(
        quantity if place == "input" else 10, quantity if place == "output" else 5, parts
    )
    assert usage.quality == "inconsistent"
    assert not usage.leaves
