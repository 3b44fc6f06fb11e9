"""Anthropic's wire format, read from dictionaries, namespaces and models alike."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from anthropic.types import Message

from otel_genai_instrumentors.anthropic_answers import (
    part_of_message,
    read_message,
    text_of_part,
)
from otel_genai_instrumentors.method import LAST, PART

_USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 300,
    "cache_creation": {"ephemeral_5m_input_tokens": 200, "ephemeral_1h_input_tokens": 100},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 25},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "priority",
    "inference_geo": "us",
    "speed": "fast",
}
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "claude-opus-4-6",
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": _USAGE,
}
_INPUT = {
    "gen_ai.usage.input_tokens": 410,
    "gen_ai.usage.cache_read.input_tokens": 100,
    "gen_ai.usage.cache_write.input_tokens": 300,
    "genai_cost.usage.cache_write_5m": 200,
    "genai_cost.usage.cache_write_1h": 100,
}
_HEAD = {"gen_ai.response.id": "msg_1", "gen_ai.response.model": "claude-opus-4-6"}
_SERVED = {
    "genai_cost.usage.web_searches": 2,
    "genai_cost.service_tier": "priority",
    "genai_cost.inference_geo": "us",
    "genai_cost.speed": "fast",
}
_ENDED = {
    "gen_ai.usage.output_tokens": 40,
    "gen_ai.usage.reasoning.output_tokens": 25,
    "gen_ai.response.finish_reasons": ["end_turn"],
}


def _namespace(value: dict[str, Any]) -> Any:
    return json.loads(json.dumps(value), object_hook=lambda found: SimpleNamespace(**found))


@pytest.mark.parametrize("form", [dict, _namespace, Message.model_validate])
def test_message(form: Any) -> None:
    assert read_message(form(_MESSAGE)) == {**_HEAD, **_INPUT, **_SERVED, **_ENDED}


def test_message_without_usage_says_none() -> None:
    completion = {"id": "compl_1", "model": "claude-2.1", "stop_reason": "stop_sequence"}
    assert read_message(completion) == {
        "gen_ai.response.id": "compl_1",
        "gen_ai.response.model": "claude-2.1",
        "gen_ai.response.finish_reasons": ["stop_sequence"],
    }


def _folded(*events: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
    found: dict[str, Any] = {}
    kinds = [part_of_message(found, event) for event in events]
    return found, kinds


_START: dict[str, Any] = {
    "type": "message_start",
    "message": {**_MESSAGE, "stop_reason": None, "usage": {**_USAGE, "output_tokens": 3}},
}


def test_the_placeholder_of_the_first_event_is_no_output() -> None:
    found, _ = _folded(_START)
    assert found == {**_HEAD, **_INPUT, **_SERVED}


def _delta(**usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}


def test_sums_replace_what_came_before() -> None:
    details = {"thinking_tokens": 25}
    found, kinds = _folded(
        _START,
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}},
        _delta(output_tokens=17, cache_read_input_tokens=100),
        _delta(output_tokens=40, output_tokens_details=details),
        {"type": "message_stop"},
    )
    assert kinds == [PART, PART, PART, PART, LAST]
    assert found == {**_HEAD, **_INPUT, **_SERVED, **_ENDED}


def test_a_write_that_grew_has_no_lifetimes_that_add_up() -> None:
    found, _ = _folded(_START, _delta(output_tokens=40, cache_creation_input_tokens=350))
    assert found["gen_ai.usage.input_tokens"] == 460
    assert found["gen_ai.usage.cache_write.input_tokens"] == 350
    assert not [name for name in found if name.startswith("genai_cost.usage.cache_write")]


def test_input_and_searches_that_grew() -> None:
    later = {"input_tokens": 60, "server_tool_use": {"web_search_requests": 5}}
    found, _ = _folded(_START, _delta(output_tokens=40, **later))
    assert found["gen_ai.usage.input_tokens"] == 460
    assert found["genai_cost.usage.web_searches"] == 5
    assert found["genai_cost.usage.cache_write_1h"] == 100


_COMPACTION = {
    "type": "compaction",
    "input_tokens": 5_000,
    "output_tokens": 70,
    "cache_read_input_tokens": 11,
    "cache_creation_input_tokens": 9,
    "cache_creation": {"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": 0},
}
_COMPACTED = {
    "gen_ai.usage.input_tokens": 410 + 5_020,
    "gen_ai.usage.output_tokens": 40 + 70,
    "gen_ai.usage.cache_read.input_tokens": 111,
    "gen_ai.usage.cache_write.input_tokens": 309,
    "genai_cost.usage.cache_write_5m": 209,
    "genai_cost.usage.cache_write_1h": 100,
}


def test_a_compaction_is_billed_beside_the_totals() -> None:
    usage = {**_USAGE, "iterations": [_COMPACTION, {"type": "message", **_USAGE}]}
    found = read_message({**_MESSAGE, "usage": usage})
    assert {name: found.get(name) for name in _COMPACTED} == _COMPACTED
    sums = {key: usage[key] for key in usage if key != "cache_creation"}
    streamed, _ = _folded(_START, _delta(**sums))
    assert {name: streamed.get(name) for name in _COMPACTED} == _COMPACTED
    assert "genai_cost.usage.incomplete" not in {**found, **streamed}


def test_a_compaction_beside_sums_that_are_not_known_is_an_estimate() -> None:
    found, _ = _folded(_START, _delta(output_tokens=40, iterations=[_COMPACTION]))
    assert found["gen_ai.usage.input_tokens"] == 410
    assert found["genai_cost.usage.incomplete"] is True


def test_a_model_that_advised_has_a_price_of_its_own() -> None:
    usage = {**_USAGE, "iterations": [{"type": "advisor_message", "model": "claude-opus-4-6"}]}
    assert read_message({**_MESSAGE, "usage": usage})["genai_cost.usage.incomplete"] is True


def test_the_last_event_alone_has_the_output() -> None:
    found, _ = _folded(_delta(output_tokens=40))
    assert found == {
        "gen_ai.usage.output_tokens": 40,
        "gen_ai.response.finish_reasons": ["end_turn"],
    }


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, "a"),
        ({"type": "content_block_delta", "delta": {"thinking": "hm"}}, "hm"),
        ({"type": "content_block_delta", "delta": {"partial_json": "{}"}}, "{}"),
        ({"type": "content_block_delta", "delta": {"type": "signature_delta"}}, None),
        ({"type": "completion", "completion": "b"}, "b"),
        ({"type": "ping"}, None),
    ],
)
def test_text(event: dict[str, Any], text: str | None) -> None:
    assert text_of_part(event) == text_of_part(_namespace(event)) == text
