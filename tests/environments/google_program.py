"""Calls of `google-genai` in an environment of its own: what is billed, what is charged, and what left beside them.

    python -m tests.environments.google_program [other instrumentation]

Prints JSON: of each case `billed` and `charged`, the usage of each response and charge, `baggage`, the paths that were
sent baggage to, and `traced`, whether every request had a `traceparent`; the same of two cases `without_us`; and
`errors`, how often something of ours failed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach, errors
from otel_genai_cost.cli.usage_json import usage_record
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin.gemini import GeminiStandIn
from otel_genai_cost.testing.standin.script import Answer, ToolCall, Usage
from otel_genai_instrumentors.clients.google_genai import GoogleGenAIInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in

FLASH: Final = "gemini-2.5-flash"
OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "opentelemetry": ("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor"),
    "openinference": ("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
    "openllmetry": (
        "opentelemetry.instrumentation.google_generativeai",
        "GoogleGenerativeAiInstrumentor",
    ),
}
_HTTP: Final = {
    "httpx": ("opentelemetry.instrumentation.httpx", "HTTPXClientInstrumentor"),
    "requests": ("opentelemetry.instrumentation.requests", "RequestsInstrumentor"),
    "aiohttp": ("opentelemetry.instrumentation.aiohttp_client", "AioHttpClientInstrumentor"),
    "urllib3": ("opentelemetry.instrumentation.urllib3", "URLLib3Instrumentor"),
}


def _instrument(module: str, name: str, **options: Any) -> None:
    getattr(import_module(module), name)().instrument(**options)


def _openlit() -> None:
    """It instruments all that it finds, and sends what it gathers to nobody here."""
    openlit: Any = import_module("openlit")
    openlit.init(otlp_endpoint="http://127.0.0.1:9", disable_metrics=True, disable_events=True)


def _weather(city: str) -> str:
    """How the weather is."""
    return f"sunny in {city}"


_weather.__annotations__ = {"city": str, "return": str}  # the first versions read no text


def _plain(client: Any) -> None:
    client.models.generate_content(model=FLASH, contents="hi")


def _streamed(client: Any) -> None:
    list(client.models.generate_content_stream(model=FLASH, contents="hi"))


def _left(client: Any) -> None:
    stream = client.models.generate_content_stream(model=FLASH, contents="hi")
    next(iter(stream))
    del stream
    gc.collect()


def _tools(client: Any) -> None:
    client.chats.create(model=FLASH, config={"tools": [_weather]}).send_message("hi")


def _embedded(client: Any) -> None:
    client.models.embed_content(model="gemini-embedding-001", contents="hi")


def _counted(client: Any) -> None:
    client.models.count_tokens(model=FLASH, contents="hi")


async def _async(client: Any) -> None:
    await client.aio.models.generate_content(model=FLASH, contents="hi")
    stream = await client.aio.models.generate_content_stream(model=FLASH, contents="hi")
    async for _ in stream:
        pass


_DONE: Final = Answer(Usage(347, 158, 131, reasoning_tokens=61))
_CALLS: Final = ToolCall("_weather", {"city": "Bern"})
CASES: Final[Mapping[str, tuple[Callable[[Any], None], tuple[Answer, ...]]]] = {
    "plain": (_plain, (_DONE,)),
    "streamed": (_streamed, (_DONE,)),
    "left": (_left, (_DONE,)),
    "tools": (_tools, (Answer(Usage(100, 10), tool_calls=(_CALLS,)), Answer(Usage(150, 20)))),
    "embedded": (_embedded, ()),
    "counted": (_counted, ()),
    "async": (lambda client: asyncio.run(_async(client)), (_DONE, _DONE)),
}


@contextmanager
def _with_baggage() -> Generator[None, None, None]:
    token = context.attach(baggage.set_baggage("tenant.id", "acme"))
    try:
        yield
    finally:
        context.detach(token)


def _case(standin: GeminiStandIn, journal: Path, name: str) -> dict[str, Any]:
    act, answers = CASES[name]
    standin.reset()
    standin.script.next(*answers)
    known = len(observations_in(journal))
    client = import_module("google.genai").Client(
        api_key="k", http_options={"base_url": standin.url}
    )
    with _with_baggage():
        act(client)
    drain()
    charged = settle(observations_in(journal)[known:]).verdicts
    return {
        "billed": [_nonzero(line["usage"]) for line in standin.bills],
        "charged": [_nonzero(usage_record(one.richest.reading.usage)) for one in charged],
        "quality": [one.richest.reading.usage.quality for one in charged],
        "tenants": [one.richest.attribution.tenant for one in charged],
        "baggage": [each.path for each in standin.received if "baggage" in each.headers],
        "traced": all("traceparent" in each.headers for each in standin.received),
    }


def _nonzero(usage: Mapping[str, Any]) -> dict[str, int]:
    return {key: n for key, n in usage.items() if n}


def main(other: str | None) -> None:
    """Run all cases, each with a journal of its own."""
    provider = TracerProvider()
    trace.set_tracer_provider(provider)
    journal = Path(tempfile.mkdtemp()) / "journal"
    attach(provider, journal=journal, quiet=True)
    for library, home in _HTTP.items():
        if find_spec(library) is not None and find_spec(home[0]) is not None:
            _instrument(*home)
    with GeminiStandIn() as standin:
        without_us = {name: _case(standin, journal, name) for name in ("plain", "async")}
        GoogleGenAIInstrumentor().instrument(tracer_provider=provider)
        if other == "openlit":
            _openlit()
        elif other is not None:
            _instrument(*OTHERS[other], tracer_provider=provider)
        found = {name: _case(standin, journal, name) for name in CASES}
    print(json.dumps({"cases": found, "without_us": without_us, "errors": errors.failures}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
