"""Calls of real clients whose transport is mocked: what each client is made with, and what the provider answers.

Nothing is imported but the client that is asked for, since each tool's environment has that alone.
"""

from __future__ import annotations

import json
import os
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from io import BytesIO
from typing import Any, Final, Literal, TypeAlias

__all__ = ["CALLS", "CHUNKS", "SHAPES", "Shape"]

Shape: TypeAlias = Literal["plain", "stream", "short_stream", "async"]
SHAPES: Final[tuple[Shape, ...]] = ("plain", "stream", "short_stream", "async")
CHUNKS: Final[Mapping[Shape, int]] = {"plain": 0, "async": 0, "stream": 200, "short_stream": 20}
"""Of a stream; the difference of the two is what chunks cost."""

_SYSTEM: Final = "You are a helpful assistant of a small company."
_ASKED: Final = "Say hello in five languages, and tell where each is spoken."
_WORDS: Final = "Hello, Bonjour, Hola, Hallo, Ciao! In England, France, Spain, Germany, Italy."
_ID: Final = b"$ID"
"""Stands where an answer has an id of its own, as real ones do."""

_Line: TypeAlias = dict[str, Any]


def _answers(content: bytes, kind: str, http: Any) -> Any:
    """A transport that answers, without work of its own that would be taken for the client's."""
    number = iter(range(10**9))

    def answer(_request: Any) -> Any:
        own = content.replace(_ID, b"id-%020d" % next(number))
        return http.Response(200, headers={"content-type": kind}, content=own)

    return http.MockTransport(answer)


def _sender(
    lines: list[_Line], shape: Shape, http: Any, *, named: bool = False, end: str = ""
) -> Any:
    """An HTTP client that gets these lines: a stream of events, or the one that there is."""
    if CHUNKS[shape]:
        events = (
            (f"event: {line['type']}\n" if named else "") + f"data: {json.dumps(line)}\n\n"
            for line in lines
        )
        transport = _answers(("".join(events) + end).encode(), "text/event-stream", http)
    else:
        transport = _answers(json.dumps(lines[0]).encode(), "application/json", http)
    return (http.AsyncClient if shape == "async" else http.Client)(transport=transport)


def _http_of(client_class: Any) -> Any:
    """What the client itself sends with: httpx, or httpx2 since some version."""
    return import_module(client_class.__mro__[-2].__module__.partition(".")[0])


def _call(function: Callable[..., Any], asked: dict[str, Any], shape: Shape, usage: str) -> Any:
    """What makes a call, reads all of the answer, and returns its usage."""

    def plain() -> Any:
        return getattr(function(**asked), usage)

    def stream() -> Any:
        found = None
        for part in function(**asked):
            found = getattr(part, usage, None) or found
        return found

    async def awaited() -> Any:
        return getattr(await function(**asked), usage)

    return awaited if shape == "async" else stream if CHUNKS[shape] else plain


# --- the format of OpenAI, in which others answer, too ---


def _openai_lines(chunks: int) -> Iterator[_Line]:
    head = {
        "id": _ID.decode(),
        "created": 1_795_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }
    usage = {
        "prompt_tokens": 1200,
        "completion_tokens": 80,
        "total_tokens": 1280,
        "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    if not chunks:
        message = {"role": "assistant", "content": _WORDS, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        yield {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
        return
    head |= {"object": "chat.completion.chunk", "usage": None}
    for n in range(chunks - 2):
        delta = {"content": "word "} if n else {"role": "assistant", "content": ""}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**head, "choices": [], "usage": usage}


def _openai(shape: Shape, classes: Any = None) -> Any:
    library: Any = classes or import_module("openai")
    base = import_module("openai._base_client")
    lines = list(_openai_lines(CHUNKS[shape]))
    sender = _sender(lines, shape, _http_of(base.SyncHttpxClientWrapper), end="data: [DONE]\n\n")
    kind = library.AsyncOpenAI if shape == "async" else library.OpenAI
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": _SYSTEM},
            {"role": "user", "content": _ASKED},
        ],
    }
    if CHUNKS[shape]:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    client = kind(api_key="none", http_client=sender)
    return _call(client.chat.completions.create, asked, shape, "usage")


# --- anthropic ---


def _anthropic_lines(chunks: int) -> Iterator[_Line]:
    usage = {"input_tokens": 176, "cache_read_input_tokens": 1024, "output_tokens": 80}
    message = {
        "id": _ID.decode(),
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": [{"type": "text", "text": _WORDS}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**usage, "cache_creation_input_tokens": 0, "service_tier": "standard"},
    }
    if not chunks:
        yield message
        return
    stopped = {"stop_reason": "end_turn", "stop_sequence": None}
    delta = {"type": "text_delta", "text": "word "}
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    block = {"type": "text", "text": ""}
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for _ in range(chunks - 5):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": 80}}
    yield {"type": "message_stop"}


def _anthropic(shape: Shape, _: Any = None) -> Any:
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"  # the client's own spans are nobody's here
    library: Any = import_module("anthropic")
    lines = list(_anthropic_lines(CHUNKS[shape]))
    sender = _sender(lines, shape, _http_of(library.DefaultHttpxClient), named=True)
    kind = library.AsyncAnthropic if shape == "async" else library.Anthropic
    asked: dict[str, Any] = {
        "model": "claude-opus-4-8",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": _ASKED}],
    }
    if CHUNKS[shape]:
        asked["stream"] = True
    client = kind(api_key="none", http_client=sender)
    return _call(client.messages.create, asked, shape, "usage")


# --- google-genai ---


def _google_lines(chunks: int) -> Iterator[_Line]:
    usage = {"promptTokenCount": 1200, "candidatesTokenCount": 80, "totalTokenCount": 1280}
    for n in range(max(chunks, 1)):
        text = "word " if chunks else _WORDS
        candidate: _Line = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
        if n >= chunks - 1:
            candidate["finishReason"] = "STOP"
        yield {
            "candidates": [candidate],
            "usageMetadata": {**usage, "cachedContentTokenCount": 1024},
            "modelVersion": "gemini-2.5-flash",
            "responseId": _ID.decode(),
        }


def _google(shape: Shape, _: Any = None) -> Any:
    library: Any = import_module("google.genai")
    http = import_module("httpx2" if library.__version__ >= "3" else "httpx")
    sender = _sender(list(_google_lines(CHUNKS[shape])), shape, http)
    place = "httpx_async_client" if shape == "async" else "httpx_client"
    options = library.types.HttpOptions(**{place: sender})
    client = library.Client(api_key="none", http_options=options)
    models = client.aio.models if shape == "async" else client.models
    name = "generate_content_stream" if CHUNKS[shape] else "generate_content"
    asked = {"model": "gemini-2.5-flash", "contents": _ASKED}
    return _call(getattr(models, name), asked, shape, "usage_metadata")


# --- botocore, whose requests are answered by a handler of its own events ---


def _bedrock_lines(chunks: int) -> Iterator[_Line]:
    usage = {
        "inputTokens": 176,
        "outputTokens": 80,
        "totalTokens": 1280,
        "cacheReadInputTokens": 1024,
        "cacheWriteInputTokens": 0,
    }
    metrics = {"latencyMs": 900}
    if not chunks:
        message = {"role": "assistant", "content": [{"text": _WORDS}]}
        output = {"message": message}
        yield {"output": output, "stopReason": "end_turn", "usage": usage, "metrics": metrics}
        return
    yield {"messageStart": {"role": "assistant"}}
    for _ in range(chunks - 4):
        yield {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "word "}}}
    yield {"contentBlockStop": {"contentBlockIndex": 0}}
    yield {"messageStop": {"stopReason": "end_turn"}}
    yield {"metadata": {"usage": usage, "metrics": metrics}}


def _aws_event(line: _Line) -> bytes:
    """An event in the binary format of AWS: lengths, headers, JSON, and the sums of both."""
    [(kind, body)] = line.items()
    fields = (
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    )
    headers = b"".join(
        bytes([len(name)])
        + name.encode()
        + b"\x07"
        + len(value).to_bytes(2, "big")
        + value.encode()
        for name, value in fields
    )
    payload = json.dumps(body).encode()
    size = 12 + len(headers) + len(payload) + 4
    head = size.to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    event = head + crc32(head).to_bytes(4, "big") + headers + payload
    return event + crc32(event).to_bytes(4, "big")


def _botocore(shape: Shape, _: Any = None) -> Any:
    session: Any = import_module("botocore.session").get_session()
    client = session.create_client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    chunks = CHUNKS[shape]
    lines = list(_bedrock_lines(chunks))
    content = b"".join(map(_aws_event, lines)) if chunks else json.dumps(lines[0]).encode()
    kind = "application/vnd.amazon.eventstream" if chunks else "application/json"
    http, reply = import_module("urllib3.response"), import_module("botocore.awsrequest")
    number = iter(range(10**9))

    def answer(request: Any, **_: Any) -> Any:
        headers = {"content-type": kind, "x-amzn-requestid": f"id-{next(number):020d}"}
        raw = http.HTTPResponse(BytesIO(content), headers, preload_content=False)
        return reply.AWSResponse(request.url, 200, raw.headers, raw)

    client.meta.events.register("before-send.bedrock-runtime", answer)
    asked: dict[str, Any] = {
        "modelId": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "system": [{"text": _SYSTEM}],
        "messages": [{"role": "user", "content": [{"text": _ASKED}]}],
    }

    def plain() -> Any:
        return client.converse(**asked)["usage"]

    def stream() -> Any:
        return [part for part in client.converse_stream(**asked)["stream"]][-1]["metadata"]["usage"]

    return stream if chunks else plain


CALLS: Final[Mapping[str, Callable[..., Any]]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "google-genai": _google,
    "botocore": _botocore,
}
"""Client -> what makes its calls of a shape, with the classes of a tool in place of the client's, where it has such."""
