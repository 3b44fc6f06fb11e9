"""A program of a team that has a distribution of OpenTelemetry: `python distribution_program.py SET_UP`.

It makes calls for two tenants in turn, each in a request of its own whose trace id follows from its number, so that a
sampler decides in one run as in another. It runs without us as well: then nobody is told whom a call is for.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any, Final

__all__ = ["CALLS", "SET_UPS", "TENANTS", "calling"]

CALLS: Final = 24
TENANTS: Final = ("acme", "bolt")

_MESSAGES: Final = [{"role": "user", "content": "What does the contract say?"}]
_ASKED: Final[dict[str, Any]] = {"model": "gpt-4o-mini", "messages": _MESSAGES}


def _ours() -> Any:
    """Us, if we are installed."""
    try:
        return import_module("otel_genai_cost")
    except ImportError:
        return None


def _tenant(name: str) -> AbstractContextManager[Any]:
    ours = _ours()
    return nullcontext() if ours is None else ours.tenant(name)


def _install() -> None:
    ours = _ours()
    if ours is not None:
        ours.install()


# --- how the distribution is switched on, and we beside it ---


def _launched() -> None:
    """By `opentelemetry-instrument`, and we with it."""


def _provider() -> Any:
    """What a team writes that sets OpenTelemetry up in code."""
    trace = import_module("opentelemetry.sdk.trace")
    sampling = import_module("opentelemetry.sdk.trace.sampling")
    export = import_module("opentelemetry.sdk.trace.export")
    otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    provider = trace.TracerProvider(sampler=sampling.ParentBasedTraceIdRatio(0.1))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return provider


def _set(provider: Any) -> None:
    import_module("opentelemetry.trace").set_tracer_provider(provider)


def _provider_first() -> None:
    _set(_provider())
    _install()


def _provider_later() -> None:
    _install()
    _set(_provider())


def _second_provider() -> None:
    """The global one is another's; ours is used by name."""
    _set(import_module("opentelemetry.sdk.trace").TracerProvider())
    provider, ours = _provider(), _ours()
    if ours is not None:
        ours.attach(provider)
        entry = import_module("otel_genai_instrumentors.entry")
        entry.OpenAIInstrumentor().instrument(tracer_provider=provider)
    _second.append(provider)


def _azure() -> None:
    configure = import_module("azure.monitor.opentelemetry").configure_azure_monitor
    configure(
        connection_string=os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"],
        disable_offline_storage=True,
        enable_live_metrics=False,
    )


def _azure_first() -> None:
    _azure()
    _install()


def _azure_later() -> None:
    _install()
    _azure()


def _logfire() -> None:
    logfire = import_module("logfire")
    ids = import_module("opentelemetry.sdk.trace.id_generator").RandomIdGenerator()
    logfire.configure(
        advanced=logfire.AdvancedOptions(id_generator=ids, base_url=os.environ["LOGFIRE_BASE_URL"]),
        sampling=logfire.SamplingOptions(head=0.1),
        console=False,
        inspect_arguments=False,
        metrics=False,
    )
    logfire.instrument_openai()


def _logfire_first() -> None:
    _logfire()
    _install()


def _logfire_later() -> None:
    _install()
    _logfire()


def _langfuse() -> None:
    import_module("langfuse").get_client()
    _client_module.append("langfuse.openai")


def _langfuse_first() -> None:
    _langfuse()
    _install()


def _langfuse_later() -> None:
    _install()
    _langfuse()


SET_UPS: Final[dict[str, Callable[[], None]]] = {
    "launched": _launched,
    "provider first": _provider_first,
    "provider later": _provider_later,
    "second provider": _second_provider,
    "azure first": _azure_first,
    "azure later": _azure_later,
    "logfire first": _logfire_first,
    "logfire later": _logfire_later,
    "langfuse first": _langfuse_first,
    "langfuse later": _langfuse_later,
}

_second: Final[list[Any]] = []
_client_module: Final[list[str]] = ["openai"]


# --- what the program does ---


def _plain(library: Any) -> str:
    return str(library.OpenAI(max_retries=0).chat.completions.create(**_ASKED).id)


def _streamed(library: Any) -> str:
    options = {"stream_options": {"include_usage": True}}
    found = ""
    for chunk in library.OpenAI(max_retries=0).chat.completions.create(
        **_ASKED, stream=True, **options
    ):
        found = chunk.id
    return found


def _awaited(library: Any) -> str:
    async def call() -> str:
        async with library.AsyncOpenAI(max_retries=0) as client:
            return str((await client.chat.completions.create(**_ASKED)).id)

    return asyncio.run(call())


_KINDS: Final = (_plain, _streamed, _awaited)


def calling(set_up: str) -> Callable[[int], str]:
    """Set the distribution up, and us.

    Args:
        set_up: one of `SET_UPS`.

    Returns:
        What makes the call of that number, in a request of its own, and gives the id of the response.
    """
    SET_UPS[set_up]()
    trace = import_module("opentelemetry.trace")
    library = import_module(_client_module[-1])
    tracer = _second[0].get_tracer("shop") if _second else trace.get_tracer("shop")

    def call(number: int) -> str:
        with (
            tracer.start_as_current_span("request", attributes={"request.number": number}),
            _tenant(TENANTS[number % len(TENANTS)]),
        ):
            return _KINDS[number % len(_KINDS)](library)

    return call


def main(set_up: str) -> None:
    call = calling(set_up)
    for number in range(CALLS):
        random.seed(number)
        call(number)
    if _second:
        _second[0].shutdown()


if __name__ == "__main__":
    main(sys.argv[1])
