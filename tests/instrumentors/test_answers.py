"""What a provider says of an answer, written as attributes, reads back as the same usage under the same conditions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.attributes import TABLE
from otel_genai_cost.usage import described as facts
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES, partition
from otel_genai_cost.usage.payload import response_of
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.usage.scopes import dialect_of
from otel_genai_instrumentors.answers import described
from tests.usage.recorded import RecordedSpan

_SCOPE: Final = "otel_genai_instrumentors.anthropic"
_ASKED: Final = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-5",
}
_UNREPORTED: Final = {"cache_write_12h"}
"""A price list has it, no provider's answer."""

_counts = st.integers(0, 10**9)


def _read(attributes: Mapping[str, Any]) -> Reading:
    span = RecordedSpan("chat", _SCOPE, "1", {**_ASKED, **attributes})
    reading = dialect_of(_SCOPE, "1").read(span)
    assert reading is not None
    return reading


def _leaves(parts: Mapping[str, int]) -> dict[str, int]:
    return {leaf: n for leaf, n in parts.items() if n}


def test_every_leaf_that_is_reported_has_an_attribute() -> None:
    derived = {"input", "output"}
    reported = {*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES} - derived - _UNREPORTED
    assert set(facts._LEAVES) == reported
    known = {row.name for row in TABLE if row.direction == "both"}
    assert {*facts._LEAVES.values(), *facts._CONDITIONS.values()} <= known


@pytest.mark.parametrize("leaf", sorted(set(facts._LEAVES) - {"cache_read_audio"}))
def test_each_leaf_reads_back(leaf: str) -> None:
    attributes = {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        facts._LEAVES[leaf]: 7,
    }
    if leaf in ("cache_write_5m", "cache_write_1h"):
        attributes["gen_ai.usage.cache_write.input_tokens"] = 7
    reading = _read(attributes)
    assert reading.usage.quality == "reported"
    assert _leaves(reading.usage.leaves) == _leaves(partition(100, 50, {leaf: 7}).leaves)


@given(
    n=st.fixed_dictionaries(
        dict.fromkeys(
            ("input", "read", "minutes", "hour", "output", "thought", "searches"), _counts
        )
    )
)
def test_anthropics_usage_reads_back(n: Mapping[str, int]) -> None:
    usage = {
        "input_tokens": n["input"],
        "cache_read_input_tokens": n["read"],
        "cache_creation_input_tokens": n["minutes"] + n["hour"],
        "cache_creation": {
            "ephemeral_5m_input_tokens": n["minutes"],
            "ephemeral_1h_input_tokens": n["hour"],
        },
        "output_tokens": n["output"] + n["thought"],
        "output_tokens_details": {"thinking_tokens": n["thought"]},
        "server_tool_use": {"web_search_requests": n["searches"]},
    }
    _reads_back({"id": "msg_1", "model": "m", "usage": usage, "stop_reason": "end_turn"})


@given(
    n=st.fixed_dictionaries(
        dict.fromkeys(
            (
                *("text", "audio", "image", "read", "read_audio", "write"),
                *("out", "reasoning", "out_audio"),
            ),
            _counts,
        )
    )
)
def test_openais_usage_reads_back(n: Mapping[str, int]) -> None:
    cached = n["read"] + n["read_audio"]
    usage = {
        "prompt_tokens": n["text"] + n["audio"] + n["image"] + cached + n["write"],
        "completion_tokens": n["out"] + n["reasoning"] + n["out_audio"],
        "prompt_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": n["write"],
            "audio_tokens": n["audio"] + n["read_audio"],
            "image_tokens": n["image"],
            "cached_tokens_details": {"audio_tokens": n["read_audio"]},
        },
        "completion_tokens_details": {
            "reasoning_tokens": n["reasoning"],
            "audio_tokens": n["out_audio"],
        },
    }
    _reads_back({"id": "chatcmpl-1", "model": "m", "usage": usage})


@given(
    n=st.fixed_dictionaries(
        dict.fromkeys(("text", "video", "read", "tool", "out", "image", "thought"), _counts)
    )
)
def test_geminis_usage_reads_back(n: Mapping[str, int]) -> None:
    usage = {
        "promptTokenCount": n["text"] + n["video"] + n["read"],
        "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": n["video"]}],
        "cachedContentTokenCount": n["read"],
        "toolUsePromptTokenCount": n["tool"],
        "candidatesTokenCount": n["out"] + n["image"],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": n["image"]}],
        "thoughtsTokenCount": n["thought"],
    }
    _reads_back({"responseId": "r", "modelVersion": "m", "usageMetadata": usage})


def _reads_back(response: Mapping[str, Any]) -> None:
    payload = response_of(response)
    meant = partition(*payload.counts)
    reading = _read(described(response, "anthropic"))
    assert meant.quality == "reported"
    if any(meant.leaves.values()):
        assert _leaves(reading.usage.leaves) == _leaves(meant.leaves)
        assert (reading.usage.input_total, reading.usage.output_total) == meant[1:3]
        assert reading.usage.quality == "reported"
    assert (reading.response_id, reading.model_returned) == (payload.response_id, payload.model)


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"service_tier": "batch"}, {"batch": True}),
        ({"usage": {"speed": "fast"}}, {"speed": "fast"}),
        ({"usage": {"inference_geo": "us"}}, {"inference_geo": "us"}),
        ({"usage": {"search_context_size": "high"}}, {"search_context_size": "high"}),
        ({"usage": {"service_tier": "priority"}}, {"service_tier": "priority"}),
    ],
    ids=str,
)
def test_every_condition_reads_back(said: dict[str, Any], context: dict[str, Any]) -> None:
    counts = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 0}
    response = {**said, "usage": {**counts, **said.get("usage", {})}, "stop_reason": "end_turn"}
    assert dict(_read(described(response, "anthropic")).context) == context


def test_a_region_reads_back() -> None:
    usage = {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1}
    assert dict(_read({**usage, "genai_cost.region": "eu"}).context) == {"region": "eu"}


def test_what_the_provider_billed_reads_back_where_it_is_its_word() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 1, "cost": 0.00125}
    response = {"id": "gen-1", "model": "m", "usage": usage}
    attributes = described(response, "openrouter")
    assert attributes["genai_cost.provider_cost"] == "0.00125"
    assert _read(attributes).provider_cost == "0.00125"
    assert "genai_cost.provider_cost" not in described({**response, "id": "x"}, "openai")


def test_what_was_cut_off_is_an_estimate() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 0, "output_tokens": 3}
    attributes = described({"usage": usage, "stop_reason": None}, "anthropic")
    assert attributes["genai_cost.usage.incomplete"] is True
    assert _read(attributes).usage.quality == "estimated"


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    (
                        *("id", "model", "usage", "input_tokens", "output_tokens", "prompt_tokens"),
                        *("cache_creation", "cost", "service_tier", "completion_tokens_details"),
                        *("usageMetadata", "promptTokenCount", "inputTokens", "cacheDetails"),
                    )
                ),
                inner,
                max_size=6,
            ),
        ),
        max_leaves=20,
    )
)
def test_junk_never_raises_and_never_becomes_a_number(junk: Any) -> None:
    response = junk if isinstance(junk, dict) else {"usage": junk}
    attributes = described(response)
    assert None not in attributes.values()
    usage = _read({k: v for k, v in attributes.items() if v is not None}).usage
    assert all(type(n) is int and n >= 0 for n in usage.leaves.values())


# --- what the dialect makes of the rest ---


def test_lifetimes_count_only_if_they_add_up() -> None:
    counts = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 1}
    write = {**counts, "gen_ai.usage.cache_write.input_tokens": 30}
    split = _read({**write, "genai_cost.usage.cache_write_1h": 10})
    assert _leaves(split.usage.leaves) == {
        "input": 70,
        "cache_write_5m": 20,
        "cache_write_1h": 10,
        "output": 1,
    }
    odd = _read(
        {**write, "genai_cost.usage.cache_write_5m": 10, "genai_cost.usage.cache_write_1h": 10}
    )
    assert _leaves(odd.usage.leaves) == {"input": 70, "cache_write": 30, "output": 1}


_BOUNDS: Final = {
    "genai_cost.estimate.input_tokens": [0, 25, 1_500],
    "genai_cost.estimate.output_tokens": [1, 20, 400],
}


def test_an_answer_that_was_left_is_estimated_within_bounds() -> None:
    usage = _read({**_BOUNDS, "genai_cost.unfinished": True}).usage
    assert (usage.quality, dict(usage.leaves)) == ("estimated", {"input": 25, "output": 20})
    assert (usage.low, usage.high) == ({"input": 0, "output": 1}, {"input": 1_500, "output": 400})


def test_one_of_which_nothing_came_is_unknown_within_bounds() -> None:
    usage = _read({**_BOUNDS, "error.type": "openai.APITimeoutError"}).usage
    assert (usage.quality, dict(usage.leaves)) == ("unknown", {})
    assert (usage.low, usage.high) == ({"input": 0, "output": 1}, {"input": 1_500, "output": 400})


def test_without_a_limit_there_is_no_upper_bound() -> None:
    usage = _read({**_BOUNDS, "genai_cost.estimate.output_tokens": [1, 20]}).usage
    assert usage.low == {"input": 0, "output": 1} and usage.high is None


def test_what_was_reported_stays_beside_what_is_estimated() -> None:
    usage = _read({**_BOUNDS, "gen_ai.usage.input_tokens": 99, "genai_cost.unfinished": True}).usage
    assert dict(usage.leaves) == {"input": 99, "output": 20} and usage.quality == "estimated"
    assert usage.high == {"input": 99, "output": 400}


@pytest.mark.parametrize(
    "bounds", [[3, 2, 1], [-1, 2, 3], [1], [1, 2, 3, 4], "1,2", [1, 2.5, 3], [1, True, 2], 5]
)
def test_bounds_that_are_none_are_ignored(bounds: Any) -> None:
    said = {"genai_cost.estimate.output_tokens": bounds, "genai_cost.unfinished": True}
    assert _read(said).usage.low is None
