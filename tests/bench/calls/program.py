"""The measured program: calls of the real `openai` client whose transport is mocked, with one tool set up, or none.

    python program.py SHAPE SETUP FOLDER CALLS [counter.so]

SHAPE is one of `SHAPES`, SETUP one of `SETUPS`; FOLDER is where the journal of ours is. After some calls for warming up
it makes CALLS calls and prints the CPU time of one in microseconds; with `counter.so` callgrind counts during them.
It imports nothing but the client and what the set-up needs, because it runs in each tool's own environment. Every tool
has its defaults, a real SDK, and an exporter that drops what it gets.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import openai

__all__ = ["CHUNKS", "SETUPS", "SHAPES", "WARM_UP"]

http: Any = import_module("httpx" if openai.__version__ < "3" else "httpx2")
"""What the client itself sends with."""

WARM_UP: Final = 60
_MODEL: Final = "gpt-4o-mini"
_ANSWERED: Final = "gpt-4o-mini-2024-07-18"
_ASKED: Final[Any] = [
    {"role": "system", "content": "You are a helpful assistant of a small company."},
    {"role": "user", "content": "Say hello in five languages, and tell where each is spoken."},
]
_WORDS: Final = "Hello, Bonjour, Hola, Hallo, Ciao! In England, France, Spain, Germany, Italy."
_USAGE: Final = {
    "prompt_tokens": 1200,
    "completion_tokens": 80,
    "total_tokens": 1280,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}
_ID: Final = b"$ID"
CHUNKS: Final = {"stream": 200, "short_stream": 20}
"""Of each shape that is streamed; the difference of the two is what chunks cost."""


# --- the provider: each answer has an id of its own, as real ones do ---


def _answers(chunks: int) -> Callable[[Any], Any]:
    """What answers a request, without work of its own that would be taken for the client's."""
    number = iter(range(10**9))
    content = _stream(chunks) if chunks else json.dumps(_completion()).encode()
    headers = {"content-type": "text/event-stream" if chunks else "application/json"}

    def answer(_request: Any) -> Any:
        own = content.replace(_ID, b"chatcmpl-%020d" % next(number))
        return http.Response(200, headers=headers, content=own)

    return answer


def _completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": _WORDS, "refusal": None}
    return {
        **_head("chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": _USAGE,
    }


def _stream(chunks: int) -> bytes:
    lines = (f"data: {json.dumps(one)}\n\n" for one in _chunks(chunks))
    return ("".join(lines) + "data: [DONE]\n\n").encode()


def _chunks(chunks: int) -> Iterator[dict[str, Any]]:
    """`chunks` of them, the last two with the reason for the end and the usage."""
    head = {**_head("chat.completion.chunk"), "usage": None}
    for n in range(chunks - 2):
        delta = {"content": "word "} if n else {"role": "assistant", "content": ""}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    yield {**head, "choices": [], "usage": _USAGE}


def _head(kind: str) -> dict[str, Any]:
    return {
        "id": _ID.decode(),
        "object": kind,
        "created": 1_795_000_000,
        "model": _ANSWERED,
        "service_tier": "default",
        "system_fingerprint": "fp_0123456789",
    }


# --- the shapes of a call: what makes the client, and one call of it; a call returns what the answer's usage is ---


def _client(client: Any, transport_client: Any, chunks: int = 0) -> Any:
    transport = http.MockTransport(_answers(chunks))
    return client(api_key="none", http_client=transport_client(transport=transport))


def _plain(client: Any) -> Callable[[], Any]:
    sender = _client(client.OpenAI, http.Client)

    def call() -> Any:
        return sender.chat.completions.create(model=_MODEL, messages=_ASKED).usage

    return call


def _streamed(chunks: int) -> Callable[[Any], Callable[[], Any]]:
    def made(client: Any) -> Callable[[], Any]:
        sender = _client(client.OpenAI, http.Client, chunks)

        def call() -> Any:
            usage = None
            stream = sender.chat.completions.create(
                model=_MODEL,
                messages=_ASKED,
                stream=True,
                stream_options={"include_usage": True},
            )
            for chunk in stream:
                usage = chunk.usage or usage
            return usage

        return call

    return made


def _awaited(client: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    sender = _client(client.AsyncOpenAI, http.AsyncClient)

    async def call() -> Any:
        return (await sender.chat.completions.create(model=_MODEL, messages=_ASKED)).usage

    return call


SHAPES: Final[dict[str, Callable[[Any], Callable[[], Any]]]] = {
    "plain": _plain,
    **{shape: _streamed(chunks) for shape, chunks in CHUNKS.items()},
    "async": _awaited,
}


# --- the tools: each as its documentation sets it up, its spans dropped where they would leave the process ---

SetUp = Callable[[Path, ExitStack], Any]
"""Sets a tool up and returns where the client's classes are. It may write into the folder; what it enters is open while
calls are made."""

Then = Callable[[Any], object]


def _drop() -> Any:
    """An exporter that drops what it gets."""
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Drop(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    return Drop()


def _batched() -> Any:
    """How spans are exported in production."""
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(_drop())


def _provider() -> Any:
    """The SDK's provider, set for the process."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider()
    provider.add_span_processor(_batched())
    trace.set_tracer_provider(provider)
    return provider


def _none(folder: Path, open_until_end: ExitStack) -> Any:
    return openai


def _ours(folder: Path, open_until_end: ExitStack) -> Any:
    """The instrumentor, the span, metering and the journal; in a request with a tenant."""
    from otel_genai_cost import attach, tenant
    from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor

    attach(_provider(), journal=folder, registry=folder / "registry", quiet=True)
    OpenAIInstrumentor().instrument()
    open_until_end.enter_context(tenant("acme"))
    return openai


def _instrumented_by(module: str) -> SetUp:
    """An instrumentation of the usual form, with its defaults, on the process's provider."""

    def set_up(folder: Path, open_until_end: ExitStack) -> Any:
        _provider()
        import_module(module).OpenAIInstrumentor().instrument()
        return openai

    return set_up


def _openlit(folder: Path, open_until_end: ExitStack) -> Any:
    """With its list of prices at hand, which it would fetch; no metrics and log events, which nobody else here makes,
    and no span for the HTTP request."""
    prices = folder / "openlit.json"
    price = {"promptPrice": 0.00015, "completionPrice": 0.0006}
    prices.write_text(json.dumps({"chat": {_MODEL: price, _ANSWERED: price}}), encoding="utf-8")
    _provider()
    import_module("openlit").init(
        pricing_json=str(prices),
        disable_metrics=True,
        disable_events=True,
        disabled_instrumentors=["httpx"],
    )
    return openai


def _langfuse(folder: Path, open_until_end: ExitStack) -> Any:
    """Its own classes in the place of the client's, on its own provider and pipeline."""
    import_module("langfuse").Langfuse(
        public_key="none", secret_key="none", base_url="http://127.0.0.1:9", span_exporter=_drop()
    )
    return import_module("langfuse.openai")


def _logfire(folder: Path, open_until_end: ExitStack) -> Any:
    """On its own provider; nothing on the console, no metrics, which nobody else here makes."""
    logfire = import_module("logfire")
    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[_batched()],
    )
    logfire.instrument_openai()
    return openai


SETUPS: Final[dict[str, SetUp]] = {
    "none": _none,
    "ours": _ours,
    "opentelemetry": _instrumented_by("opentelemetry.instrumentation.genai.openai"),
    "opentelemetry_priced": _instrumented_by("opentelemetry.instrumentation.genai.openai"),
    "openllmetry": _instrumented_by("opentelemetry.instrumentation.openai"),
    "openinference": _instrumented_by("openinference.instrumentation.openai"),
    "openlit": _openlit,
    "langfuse": _langfuse,
    "logfire": _logfire,
}


def _then(setup: str) -> Then:
    """What the application itself does with the usage of each answer."""
    if setup != "opentelemetry_priced":
        return _look
    prices = import_module("genai_prices")

    def price(usage: Any) -> object:
        counts = prices.Usage(
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.completion_tokens,
            cache_read_tokens=usage.prompt_tokens_details.cached_tokens,
        )
        return prices.calc_price(counts, model_ref=_ANSWERED, provider_id="openai")

    return price


def _look(usage: Any) -> object:
    return usage.total_tokens


# --- measuring ---


class _NoCounter:
    def start_counting(self) -> None:
        """Nothing counts."""

    def stop_counting(self) -> None:
        """Nothing counts."""


async def _measured(call: Callable[[], Any], then: Then, calls: int, counter: Any) -> float:
    """Microseconds of CPU time a call. What is awaited is what a call returns in an asynchronous program."""
    started_s = 0.0
    for n in range(WARM_UP + calls):
        if n == WARM_UP:
            counter.start_counting()
            started_s = time.process_time()
        usage = call()
        then(await usage if isinstance(usage, Coroutine) else usage)
    took_s = time.process_time() - started_s
    counter.stop_counting()
    return took_s / calls * 1e6


def _run(measured: Coroutine[Any, Any, float]) -> float:
    """Without an event loop, which a plain program has not: it never waits."""
    try:
        measured.send(None)
    except StopIteration as end:
        return float(end.value)
    raise RuntimeError("a call that is not asynchronous has waited")


def _refuse(*_: Any) -> None:
    raise OSError("the network is off while this is measured")


def main(shape: str, setup: str, folder: str, calls: str, counter_so: str = "") -> None:
    """Measure, and print the time of a call."""
    setattr(socket.socket, "connect", _refuse)  # noqa: B010 -- nobody's own traffic is measured
    logging.disable(logging.WARNING)
    counter: Any = ctypes.CDLL(counter_so) if counter_so else _NoCounter()
    with ExitStack() as open_until_end:
        classes = SETUPS[setup](Path(folder), open_until_end)
        call = SHAPES[shape](classes)
        measured = _measured(call, _then(setup), int(calls), counter)
        print(asyncio.run(measured) if shape == "async" else _run(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
