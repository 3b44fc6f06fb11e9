"""Answers of every wire format, read from their bytes."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Final

import pytest

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.wire_answers import answers_in, text_of_any
from otel_genai_instrumentors.method import LAST, PART
from otel_genai_instrumentors.wire_requests import part_of_any

_ID: Final = names.GEN_AI_RESPONSE_ID
_MODEL: Final = names.GEN_AI_RESPONSE_MODEL
_IN: Final = names.GEN_AI_USAGE_INPUT_TOKENS
_OUT: Final = names.GEN_AI_USAGE_OUTPUT_TOKENS
_READ: Final = names.GEN_AI_USAGE_CACHE_READ
_WHY: Final = names.GEN_AI_RESPONSE_FINISH_REASONS

_ANTHROPIC_USAGE: Final = {
    "input_tokens": 11,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 0,
    "output_tokens": 1,
}
_ANTHROPIC: Final[tuple[dict[str, Any], ...]] = (
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "claude-x", "usage": _ANTHROPIC_USAGE},
    },
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Hi "}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "there"}},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 7, "input_tokens": None},
    },
    {"type": "message_stop"},
)
_ANTHROPIC_READ: Final = {_ID: "msg_1", _MODEL: "claude-x", _IN: 16, _OUT: 7, _READ: 5}


def _lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def _sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: e\ndata: " + line + b"\r\n\r\n" for line in _lines(*events).splitlines()
    )


def _frames(*events: dict[str, Any], headers: bytes = b"\x0b:event-type\x07\x00\x05chunk") -> bytes:
    """AWS's event stream, by its documentation."""
    found = b""
    for event in events:
        payload = json.dumps(event).encode()
        size = 16 + len(headers) + len(payload)
        prelude = size.to_bytes(4, "big") + len(headers).to_bytes(4, "big")
        frame = prelude + zlib.crc32(prelude).to_bytes(4, "big") + headers + payload
        found += frame + zlib.crc32(frame).to_bytes(4, "big")
    return found


def _wrapped(*events: dict[str, Any]) -> bytes:
    return _frames(
        *({"bytes": base64.b64encode(json.dumps(event).encode()).decode()} for event in events)
    )


def _read(content: bytes) -> tuple[dict[str, Any], int, str]:
    found: dict[str, Any] = {}
    [answer] = answers_in(content)
    kind = part_of_any(found, answer)
    return found, kind, text_of_any(answer)


@pytest.mark.parametrize("write", [_sse, _lines, _wrapped])
def test_anthropics_events_are_put_together(write: Any) -> None:
    found, kind, text = _read(write(*_ANTHROPIC))
    assert found == {**_ANTHROPIC_READ, _WHY: ["end_turn"]}
    assert kind == LAST
    assert text == "Hi there"


def test_a_stream_that_was_cut_off_is_not_ended() -> None:
    found, kind, text = _read(_sse(*_ANTHROPIC[:2]))
    assert found == {**_ANTHROPIC_READ, _OUT: 1}
    assert kind == PART
    assert text == "Hi "


def test_bedrock_converse_streams_tell_their_usage_last() -> None:
    events: tuple[dict[str, Any], ...] = (
        {"role": "assistant"},
        {"delta": {"text": "Hi"}, "contentBlockIndex": 0},
        {"stopReason": "end_turn"},
        {"usage": {"inputTokens": 11, "outputTokens": 7}, "metrics": {"latencyMs": 3}},
    )
    found, kind, text = _read(_frames(*events))
    assert found == {_IN: 11, _OUT: 7, _WHY: ["end_turn"]}
    assert kind == LAST
    assert text == "Hi"


def test_a_frame_that_is_cut_off_ends_the_reading() -> None:
    whole = _frames({"usage": {"inputTokens": 11, "outputTokens": 7}})
    assert _read(whole + whole[:20])[0] == {_IN: 11, _OUT: 7}
    assert _read(b"\0" * 40)[0] == {}


def test_gemini_streams_as_events_or_as_a_list() -> None:
    first = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}], "responseId": "r1"}
    last = {
        "candidates": [{"content": {"parts": [{"text": " you"}]}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": 5,
            "thoughtsTokenCount": 2,
        },
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
    }
    expected = {
        _ID: "r1",
        _MODEL: "gemini-2.5-flash",
        _IN: 11,
        _OUT: 7,
        names.GEN_AI_USAGE_REASONING: 2,
        _WHY: ["STOP"],
    }
    assert _read(_sse(first, last)) == (expected, LAST, "Hi you")
    assert _read(json.dumps([first, last]).encode()) == (expected, LAST, "Hi you")


def test_ollama_counts_beside_its_answer() -> None:
    first = {"model": "llama3", "message": {"role": "assistant", "content": "Hi"}, "done": False}
    last = {**first, "done": True, "done_reason": "stop", "prompt_eval_count": 11, "eval_count": 7}
    found, kind, _ = _read(_lines(first, last))
    assert found == {_MODEL: "llama3", _IN: 11, _OUT: 7, _WHY: ["stop"]}
    assert kind == LAST


def test_openais_responses_repeat_their_text_when_it_is_done() -> None:
    usage = {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}
    whole = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "usage": usage}
    started = {**whole, "status": "in_progress", "usage": None}
    events: tuple[dict[str, Any], ...] = (
        {"type": "response.created", "response": started},
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": "response.output_text.done", "text": "Hi"},
    )
    assert _read(_sse(*events)) == ({_ID: "resp_1", _MODEL: "gpt-4o"}, PART, "Hi")
    ended = {"type": "response.completed", "response": whole}
    expected = {_ID: "resp_1", _MODEL: "gpt-4o", _IN: 11, _OUT: 7}
    assert _read(_sse(*events, ended)) == (expected, LAST, "Hi")


def test_cohere_ends_with_what_it_bills() -> None:
    end = {
        "type": "message-end",
        "delta": {
            "finish_reason": "COMPLETE",
            "usage": {
                "billed_units": {"input_tokens": 9.0, "output_tokens": 7},
                "tokens": {"input_tokens": 11.0, "output_tokens": 7.0},
            },
        },
    }
    start = {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant"}}}
    found, kind, _ = _read(_sse(start, end))
    assert found == {_ID: "c1", _IN: 11, _OUT: 7, _WHY: ["COMPLETE"]}
    assert kind == LAST
    reranked = {"id": "rr1", "results": [], "meta": {"billed_units": {"search_units": 1}}}
    assert _read(json.dumps(reranked).encode())[0] == {_ID: "rr1", names.USAGE_REQUESTS: 1}


def test_a_groq_chunk_names_the_request_beside_its_usage() -> None:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    choice = {"index": 0, "delta": {}, "finish_reason": "stop"}
    last = {"id": "chatcmpl-1", "choices": [choice], "x_groq": {"id": "req_1", "usage": usage}}
    assert _read(_sse(last))[0] == {_ID: "chatcmpl-1", _IN: 11, _OUT: 7, _WHY: ["stop"]}


@pytest.mark.parametrize("content", [b"", b"ID3 audio", b'{"cut": ', b"[1, 2]", b"data: [DONE]"])
def test_what_is_no_answer_says_nothing(content: bytes) -> None:
    assert _read(content) == ({}, PART, "")
