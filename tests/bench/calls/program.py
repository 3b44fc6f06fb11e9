"""The measured program: calls of a real client whose transport is mocked, with one tool set up, or none.

    python program.py CLIENT SHAPE SETUP FOLDER CALLS [counter.so]

CLIENT is one of `mocked.CALLS`, SHAPE one of `mocked.SHAPES`, SETUP one of `SETUPS`; FOLDER is where the journal of
ours is. After some calls for warming up it makes CALLS calls and prints the CPU time of one in microseconds; with
`counter.so` callgrind counts during them. It imports nothing but the client and what the set-up needs, because it runs
in each tool's own environment. Every tool has its defaults, a real SDK, and an exporter that drops what it gets.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import socket
import sys
import time
import warnings
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from runpy import run_path
from typing import Any, Final

__all__ = ["SETUPS", "WARM_UP"]

WARM_UP: Final = 60
_CALLS: Final = run_path(str(Path(__file__).with_name("mocked.py")))["CALLS"]
"""The file beside this one, whatever else can be imported there."""

_MODELS: Final = ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
"""As asked for, and as answered, of those that price by themselves."""

_OURS: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("openai", "OpenAIInstrumentor"),
    "anthropic": ("anthropic", "AnthropicInstrumentor"),
    "google-genai": ("google_genai", "GoogleGenAIInstrumentor"),
    "botocore": ("botocore", "BotocoreInstrumentor"),
}
_OPENTELEMETRY: Final[Mapping[str, tuple[str, str]]] = {
    "openai": ("genai.openai", "OpenAIInstrumentor"),
    "anthropic": ("genai.anthropic", "AnthropicInstrumentor"),
    "google-genai": ("google_genai", "GoogleGenAiSdkInstrumentor"),
    "botocore": ("botocore", "BotocoreInstrumentor"),
}
"""Client -> module and class of its instrumentor."""

# --- the tools: each as its documentation sets it up, its spans dropped where they would leave the process ---

SetUp = Callable[[str, Path, ExitStack], Any]
"""Sets a tool up for a client and returns its classes, where they stand in the place of the client's. It may write into
the folder; what it enters is open while calls are made."""

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


def _none(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    return None


def _ours(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    """The instrumentor, the span, metering and the journal; in a request with a tenant."""
    ours = import_module("otel_genai_cost")
    ours.attach(_provider(), journal=folder, registry=folder / "registry", quiet=True)
    module, name = _OURS[client]
    getattr(import_module(f"otel_genai_instrumentors.clients.{module}"), name)().instrument()
    open_until_end.enter_context(ours.tenant("acme"))


def _opentelemetry(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    _provider()
    module, name = _OPENTELEMETRY[client]
    getattr(import_module(f"opentelemetry.instrumentation.{module}"), name)().instrument()


def _instrumented_by(module: str) -> SetUp:
    """An instrumentation of the usual form, with its defaults, on the process's provider."""

    def set_up(client: str, folder: Path, open_until_end: ExitStack) -> Any:
        _provider()
        import_module(module).OpenAIInstrumentor().instrument()

    return set_up


def _openlit(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    """With its list of prices at hand, which it would fetch; no metrics and log events, which nobody else here makes,
    and no span for the HTTP request."""
    prices = folder / "openlit.json"
    price = {"promptPrice": 0.00015, "completionPrice": 0.0006}
    prices.write_text(json.dumps({"chat": dict.fromkeys(_MODELS, price)}), encoding="utf-8")
    _provider()
    import_module("openlit").init(
        pricing_json=str(prices),
        disable_metrics=True,
        disable_events=True,
        disabled_instrumentors=["httpx"],
    )


def _langfuse(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    """Its own classes in the place of the client's, on its own provider and pipeline."""
    import_module("langfuse").Langfuse(
        public_key="none", secret_key="none", base_url="http://127.0.0.1:9", span_exporter=_drop()
    )
    return import_module("langfuse.openai")


def _logfire(client: str, folder: Path, open_until_end: ExitStack) -> Any:
    """On its own provider; nothing on the console, no metrics, which nobody else here makes."""
    logfire = import_module("logfire")
    logfire.configure(
        send_to_logfire=False,
        console=False,
        metrics=False,
        additional_span_processors=[_batched()],
    )
    logfire.instrument_openai()


SETUPS: Final[dict[str, SetUp]] = {
    "none": _none,
    "ours": _ours,
    "opentelemetry": _opentelemetry,
    "opentelemetry_priced": _opentelemetry,
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
        return prices.calc_price(counts, model_ref=_MODELS[1], provider_id="openai")

    return price


def _look(usage: Any) -> None:
    assert usage, "the whole answer has come"


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


def main(
    client: str, shape: str, setup: str, folder: str, calls: str, counter_so: str = ""
) -> None:
    """Measure, and print the time of a call."""
    setattr(socket.socket, "connect", _refuse)  # noqa: B010 -- nobody's own traffic is measured
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    counter: Any = ctypes.CDLL(counter_so) if counter_so else _NoCounter()
    with ExitStack() as open_until_end:
        classes = SETUPS[setup](client, Path(folder), open_until_end)
        call = _CALLS[client](shape, classes)
        measured = _measured(call, _then(setup), int(calls), counter)
        print(asyncio.run(measured) if shape == "async" else _run(measured))


if __name__ == "__main__":
    main(*sys.argv[1:])
