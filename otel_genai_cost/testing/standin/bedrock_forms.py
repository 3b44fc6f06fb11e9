"""How the models of each maker answer when Amazon Bedrock invokes them, as a whole and in parts. Models whose maker has
no form of its own here answer in OpenAI's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost.testing.standin.wire import Call

__all__ = ["Form", "conversation", "form_of", "ranking", "stop_reason", "tool_uses"]

_EMBEDDING: Final = (0.25, -0.5, 0.75)


class Form(NamedTuple):
    """How a maker's models answer: as a whole, and in parts."""

    whole: Callable[[Call], Mapping[str, Any]]
    parts: Callable[[Call], Iterable[Mapping[str, Any]]]


def stop_reason(call: Call) -> str:
    """Why the answer ends."""
    return "tool_use" if call.answer.tool_calls else "end_turn"


def tool_uses(call: Call) -> list[dict[str, Any]]:
    """The tools that the answer asks for."""
    return [
        {"toolUseId": f"tooluse_{n}", "name": tool.name, "input": dict(tool.arguments)}
        for n, tool in enumerate(call.answer.tool_calls)
    ]


def conversation(call: Call) -> Iterator[tuple[str, dict[str, Any]]]:
    """The events of a streamed answer but for the last, which counts: type and content."""
    yield "messageStart", {"role": "assistant"}
    for word in call.words:
        yield "contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": word}}
    yield "contentBlockStop", {"contentBlockIndex": 0}
    for n, use in enumerate(tool_uses(call), 1):
        start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
        delta = {"toolUse": {"input": json.dumps(use["input"])}}
        yield "contentBlockStart", {"contentBlockIndex": n, "start": start}
        yield "contentBlockDelta", {"contentBlockIndex": n, "delta": delta}
        yield "contentBlockStop", {"contentBlockIndex": n}
    yield "messageStop", {"stopReason": stop_reason(call)}


def _message_id(call: Call) -> str:
    return call.new_id("msg_bdrk_")


def _anthropic_usage(call: Call, output_tokens: int) -> dict[str, Any]:
    usage = call.usage
    return {
        "input_tokens": usage.fresh,
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        },
        "output_tokens": output_tokens,
    }


def _anthropic_message(call: Call, **more: Any) -> dict[str, Any]:
    """With the maker's name of the model, which is not Bedrock's."""
    name = re.sub(r".*anthropic\.|-v\d+(:\d+)?$", "", call.model)
    return {"id": _message_id(call), "type": "message", "role": "assistant", "model": name, **more}


def _anthropic(call: Call) -> dict[str, Any]:
    return _anthropic_message(
        call,
        content=[{"type": "text", "text": call.said}],
        stop_reason=stop_reason(call),
        stop_sequence=None,
        usage=_anthropic_usage(call, call.usage.output_tokens),
    )


def _anthropic_parts(call: Call) -> Iterator[dict[str, Any]]:
    start = _anthropic_message(call, content=[], stop_reason=None, usage=_anthropic_usage(call, 3))
    yield {"type": "message_start", "message": start}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for word in call.words:
        delta = {"type": "text_delta", "text": word}
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(call), "stop_sequence": None},
        "usage": {"output_tokens": call.usage.output_tokens},
    }
    yield {"type": "message_stop"}


def _nova_usage(call: Call) -> dict[str, int]:
    usage = call.usage
    return {
        "inputTokens": usage.fresh,
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.input_tokens + usage.output_tokens,
        "cacheReadInputTokenCount": usage.cache_read_tokens,
        "cacheWriteInputTokenCount": usage.written,
    }


def _nova(call: Call) -> dict[str, Any]:
    message = {"role": "assistant", "content": [{"text": call.said}]}
    return {
        "output": {"message": message},
        "stopReason": stop_reason(call),
        "usage": _nova_usage(call),
    }


def _nova_parts(call: Call) -> Iterator[dict[str, Any]]:
    for kind, body in conversation(call):
        yield {kind: body}
    yield {"metadata": {"usage": _nova_usage(call)}}


def _titan(call: Call) -> dict[str, Any]:
    result = {
        "tokenCount": call.usage.output_tokens,
        "outputText": call.said,
        "completionReason": "FINISH",
    }
    return {"inputTextTokenCount": call.usage.input_tokens, "results": [result]}


def _titan_parts(call: Call) -> Iterator[dict[str, Any]]:
    for n, word in enumerate(call.words):
        is_last = n == len(call.words) - 1
        yield {
            "outputText": word,
            "index": 0,
            "totalOutputTextTokenCount": call.usage.output_tokens if is_last else None,
            "completionReason": "FINISH" if is_last else None,
            "inputTextTokenCount": call.usage.input_tokens,
        }


def _titan_embedding(call: Call) -> dict[str, Any]:
    return {"embedding": list(_EMBEDDING), "inputTextTokenCount": call.usage.input_tokens}


def _llama(call: Call) -> dict[str, Any]:
    return {
        "generation": call.said,
        "prompt_token_count": call.usage.input_tokens,
        "generation_token_count": call.usage.output_tokens,
        "stop_reason": "stop",
    }


def _llama_parts(call: Call) -> Iterator[dict[str, Any]]:
    for n, word in enumerate(call.words):
        is_last = n == len(call.words) - 1
        yield {
            "generation": word,
            "prompt_token_count": call.usage.input_tokens if n == 0 else None,
            "generation_token_count": call.usage.output_tokens if is_last else n + 1,
            "stop_reason": "stop" if is_last else None,
        }


def _mistral(call: Call) -> dict[str, Any]:
    return {"outputs": [{"text": call.said, "stop_reason": "stop"}]}


def _mistral_parts(call: Call) -> Iterator[dict[str, Any]]:
    for n, word in enumerate(call.words):
        reason = "stop" if n == len(call.words) - 1 else None
        yield {"outputs": [{"text": word, "stop_reason": reason}]}


def _cohere(call: Call) -> dict[str, Any]:
    return {
        "response_id": call.new_id("cohere-"),
        "text": call.said,
        "finish_reason": "COMPLETE",
    }


def _cohere_parts(call: Call) -> Iterator[dict[str, Any]]:
    for word in call.words:
        yield {"text": word, "is_finished": False}
    yield {"is_finished": True, "finish_reason": "COMPLETE", "response": _cohere(call)}


def _cohere_embedding(call: Call) -> dict[str, Any]:
    return {
        "id": call.new_id("embed-"),
        "embeddings": [list(_EMBEDDING)],
        "response_type": "embeddings_floats",
    }


def ranking(call: Call) -> dict[str, Any]:
    """All documents, ranked alike."""
    documents: Any = call.body.get("documents") or call.body.get("sources") or ()
    scores = [{"index": n, "relevanceScore": 0.5} for n, _ in enumerate(documents)]
    return {"results": scores}


def _openai(call: Call) -> dict[str, Any]:
    usage = call.usage
    message = {"role": "assistant", "content": call.said}
    return {
        "id": call.new_id("chatcmpl-"),
        "object": "chat.completion",
        "model": call.model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "total_tokens": usage.input_tokens + usage.output_tokens,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read_tokens},
        },
    }


def _openai_parts(call: Call) -> Iterator[dict[str, Any]]:
    head = {"id": call.new_id("chatcmpl-"), "object": "chat.completion.chunk", "model": call.model}
    for word in call.words:
        choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
        yield {**head, "choices": [choice]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def _no_parts(_: Call) -> Iterator[dict[str, Any]]:
    return iter(())


_FORMS: Final = (
    ("rerank", Form(ranking, _no_parts)),
    ("titan-embed", Form(_titan_embedding, _no_parts)),
    ("cohere.embed", Form(_cohere_embedding, _no_parts)),
    ("anthropic.", Form(_anthropic, _anthropic_parts)),
    ("amazon.nova", Form(_nova, _nova_parts)),
    ("amazon.titan", Form(_titan, _titan_parts)),
    ("meta.", Form(_llama, _llama_parts)),
    ("mistral.", Form(_mistral, _mistral_parts)),
    ("cohere.", Form(_cohere, _cohere_parts)),
)
"""What a model's name has in it -> its form; the first that fits."""


def form_of(call: Call) -> Form:
    """The form of the model that is called."""
    found = (form for mark, form in _FORMS if mark in call.model)
    return next(found, Form(_openai, _openai_parts))
