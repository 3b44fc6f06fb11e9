"""Bedrock's, Gemini's and xAI's APIs for the recordings.

Bedrock's input leaves the cache out, like Anthropic's, whose usage it has here. Gemini's includes it, and its output
leaves thoughts out: half of what the stand-in's texts cost is thought. So does xAI's: a third.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin import Usage
from otel_genai_cost.testing.standin.openai import chat, usage_on_the_wire
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, events
from otel_genai_cost.testing.standin.words import usage_of
from tests.corpus.recorders import messages

__all__ = ["ROUTES", "converse_wire", "gemini_wire", "grok_wire", "usage_of_gemini"]


def converse_wire(usage: Usage) -> dict[str, Any]:
    """Usage as Converse reports it."""
    return {
        "inputTokens": usage.fresh,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokens": usage.cache_read_tokens,
        "cacheWriteInputTokens": usage.written,
    }


def usage_of_gemini(text: str) -> Usage:
    """As much as the text is long."""
    usage = usage_of(text, "")
    return usage._replace(reasoning_tokens=usage.output_tokens // 2)


def gemini_wire(usage: Usage) -> dict[str, Any]:
    """Usage as Gemini reports it."""
    cached = usage.cache_read_tokens
    return {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "totalTokenCount": usage.input_tokens + usage.output_tokens,
        **({"cachedContentTokenCount": cached} if cached else {}),
    }


def grok_wire(usage: Usage, inwards: str, outwards: str) -> dict[str, Any]:
    """Usage as xAI's chat reports it: the completion leaves reasoning out, the total has it."""
    rest = usage.output_tokens - usage.reasoning_tokens
    return {**usage_on_the_wire(usage, inwards, outwards), f"{outwards}_tokens": rest}


def _chat(call: Call) -> Reply:
    if not call.model.startswith("grok"):
        return chat(call)
    usage = usage_of(call.text, call.model)
    usage = usage._replace(reasoning_tokens=usage.output_tokens // 3)
    answer = call.answer._replace(usage=usage)
    return chat(call.with_answer(answer), grok_wire)


def _gemini(call: Call) -> Reply:
    usage = usage_of_gemini(call.text)
    content = {"role": "model", "parts": [{"text": call.said}]}
    answer: dict[str, Any] = {
        "candidates": [{"content": content, "finishReason": "STOP", "index": 0}],
        "modelVersion": call.model,
        "responseId": call.new_id("gemini-"),
        "usageMetadata": gemini_wire(usage),
    }
    bills = (call.billed(answer["responseId"], call.model, usage),)
    if "stream" not in call.path:
        return Reply(answer, bills=bills)
    return Reply(parts=events([answer], "[DONE]"), bills=bills, content_type=EVENTS)


def _converse(call: Call) -> Reply:
    usage = messages.usage_of_message(call.text)
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": call.said}]}},
        "stopReason": "end_turn",
        "usage": converse_wire(usage),
        "metrics": {"latencyMs": 1},
    }
    return Reply(answer, bills=(call.billed(call.new_id("converse-"), call.model, usage),))


def _invoke(call: Call) -> Reply:
    usage, message_id = messages.usage_of_message(call.text), call.new_id("msg_bdrk-")
    answer = messages.message(call, message_id, call.model.rpartition("anthropic.")[2], usage)
    counts: Mapping[str, int] = {"input": usage.fresh, "output": usage.output_tokens}
    headers = {f"x-amzn-bedrock-{side}-token-count": f"{n}" for side, n in counts.items()}
    bills = (call.billed(message_id, call.model, usage),)
    return Reply(answer, bills=bills, headers=headers)


ROUTES: Final = (
    *messages.ROUTES,
    Route("openai", r".*/chat/completions", _chat),
    Route("aws.bedrock", r"/model/(?P<model>[^/]+)/converse", _converse),
    Route("aws.bedrock", r"/model/(?P<model>[^/]+)/invoke", _invoke),
    Route("gcp.gemini", r".*/models/(?P<model>[^/:]+):.*", _gemini),
)
"""What the stand-in speaks besides its formats, or otherwise."""
