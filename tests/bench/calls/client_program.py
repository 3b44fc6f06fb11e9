"""The measured program for clients other than `openai`: calls of the real client whose transport is mocked, with ours,
with OpenTelemetry's own instrumentation of it, or with none.

    python client_program.py LIBRARY SHAPE SETUP FOLDER CALLS [counter.so]

LIBRARY is one of `CLIENTS`, SHAPE is `plain`, `stream` or `short_stream`, SETUP `none`, `ours` or `opentelemetry`;
FOLDER is where the journal of ours is. It prints the CPU time of a call in microseconds; with `counter.so` callgrind
counts during the calls. It imports nothing but the client and what the set-up needs.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import socket
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["CHUNKS", "CLIENTS", "WARM_UP"]

WARM_UP: Final = 40
CHUNKS: Final[Mapping[str, int]] = {"plain": 0, "stream": 200, "short_stream": 20}
_ASKED: Final = "Say hello in five languages, and tell where each is spoken."
_ID: Final = b"$ID"


def _transport(lines: list[dict[str, Any]], *, named: bool, http: Any) -> Any:
    """Answers a request, without work of its own that would be taken for the client's; one line is no stream."""
    number = iter(range(10**9))
    content = json.dumps(lines[0]).encode() if len(lines) == 1 else _events(lines, named=named)
    kind = "application/json" if len(lines) == 1 else "text/event-stream"

    def answer(_request: Any) -> Any:
        own = content.replace(_ID, b"id-%020d" % next(number))
        return http.Response(200, headers={"content-type": kind}, content=own)

    return http.MockTransport(answer)


def _events(lines: list[dict[str, Any]], *, named: bool) -> bytes:
    parts = [
        (f"event: {line['type']}\n" if named else "") + f"data: {json.dumps(line)}\n\n"
        for line in lines
    ]
    return "".join(parts).encode()


def _http_of(client_class: Any) -> Any:
    """What the client itself sends with."""
    return import_module(client_class.__mro__[-2].__module__.partition(".")[0])


# --- anthropic ---


def _anthropic_lines(chunks: int) -> list[dict[str, Any]]:
    usage = {"input_tokens": 176, "cache_read_input_tokens": 1024, "output_tokens": 80}
    message = {
        "id": _ID.decode(),
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": [{"type": "text", "text": "Hello!"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**usage, "cache_creation_input_tokens": 0, "service_tier": "standard"},
    }
    if not chunks:
        return [message]
    begun = {**message, "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": "word "}
    return [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for _ in range(chunks - 5)),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 80},
        },
        {"type": "message_stop"},
    ]


def _anthropic(chunks: int) -> Callable[[], object]:
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "false"  # the client's own spans are nobody's here
    anthropic: Any = import_module("anthropic")
    http = _http_of(anthropic.DefaultHttpxClient)
    transport = _transport(_anthropic_lines(chunks), named=True, http=http)
    client = anthropic.Anthropic(api_key="k", http_client=http.Client(transport=transport))
    asked: Any = {
        "model": "claude-opus-4-8",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": _ASKED}],
    }

    def call() -> object:
        if chunks:
            return sum(1 for _ in client.messages.create(stream=True, **asked))
        return client.messages.create(**asked).usage.output_tokens

    return call


# --- google-genai ---


def _google_lines(chunks: int) -> list[dict[str, Any]]:
    def part(n: int) -> dict[str, Any]:
        is_last = n >= chunks - 1
        candidate: dict[str, Any] = {
            "content": {"role": "model", "parts": [{"text": "word "}]},
            "index": 0,
        }
        if is_last:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 1200, "candidatesTokenCount": 80, "totalTokenCount": 1280}
        return {
            "candidates": [candidate],
            "usageMetadata": {**usage, "cachedContentTokenCount": 1024},
            "modelVersion": "gemini-2.5-flash",
            "responseId": _ID.decode(),
        }

    return [part(n) for n in range(max(chunks, 1))]


def _google(chunks: int) -> Callable[[], object]:
    genai: Any = import_module("google.genai")
    http = import_module("httpx2" if genai.__version__ >= "3" else "httpx")
    transport = _transport(_google_lines(chunks), named=False, http=http)
    options = genai.types.HttpOptions(httpx_client=http.Client(transport=transport))
    client = genai.Client(api_key="k", http_options=options)
    asked: Any = {"model": "gemini-2.5-flash", "contents": _ASKED}

    def call() -> object:
        if chunks:
            return sum(1 for _ in client.models.generate_content_stream(**asked))
        return client.models.generate_content(**asked).usage_metadata

    return call


# --- what is set up ---


class Client(NamedTuple):
    """A client: what makes a call of so many chunks, and the instrumentors of it: modules and classes."""

    made: Callable[[int], Callable[[], object]]
    ours: tuple[str, str]
    theirs: tuple[str, str]


CLIENTS: Final[Mapping[str, Client]] = {
    "anthropic": Client(
        _anthropic,
        ("otel_genai_instrumentors.clients.anthropic", "AnthropicInstrumentor"),
        ("opentelemetry.instrumentation.genai.anthropic", "AnthropicInstrumentor"),
    ),
    "google-genai": Client(
        _google,
        ("otel_genai_instrumentors.clients.google_genai", "GoogleGenAIInstrumentor"),
        ("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor"),
    ),
}


def _provider() -> Any:
    """A real SDK, and an exporter that drops what it gets."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class Drop(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Drop()))
    trace.set_tracer_provider(provider)
    return provider


def _set_up(client: Client, setup: str, folder: str, open_until_end: ExitStack) -> None:
    if setup == "none":
        return
    provider = _provider()
    if setup == "ours":
        ours: Any = import_module("otel_genai_cost")
        ours.attach(provider, journal=folder, registry=Path(folder) / "registry", quiet=True)
        open_until_end.enter_context(ours.tenant("acme"))
    module, name = client.ours if setup == "ours" else client.theirs
    getattr(import_module(module), name)().instrument()


def _refuse(*_: Any) -> None:
    raise OSError("the network is off while this is measured")


def main(
    library: str, shape: str, setup: str, folder: str, calls: str, counter_so: str = ""
) -> None:
    """Measure, and print the time of a call."""
    setattr(socket.socket, "connect", _refuse)  # noqa: B010 -- nobody's own traffic is measured
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    counter: Any = ctypes.CDLL(counter_so) if counter_so else None
    with ExitStack() as open_until_end:
        _set_up(CLIENTS[library], setup, folder, open_until_end)
        call = CLIENTS[library].made(CHUNKS[shape])
        for _ in range(WARM_UP):
            call()
        if counter is not None:
            counter.start_counting()
        started_s = time.process_time()
        for _ in range(int(calls)):
            call()
        took_s = time.process_time() - started_s
        if counter is not None:
            counter.stop_counting()
    print(took_s / int(calls) * 1e6)


if __name__ == "__main__":
    main(*sys.argv[1:])
