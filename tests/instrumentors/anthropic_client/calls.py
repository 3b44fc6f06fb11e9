"""Calls of the `anthropic` client, and what the stand-in bills of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anthropic

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder

__all__ = [
    "ANSWER",
    "ASK",
    "INPUT",
    "MODEL",
    "USAGE",
    "billed",
    "check_bill",
    "run_async",
    "stream",
    "used",
]

MODEL: Final = "claude-opus-4-6"
ASK: Final[dict[str, Any]] = {
    "model": MODEL,
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "what does this cost? " * 20}],
}
USAGE: Final = Usage(
    input_tokens=1_000,
    output_tokens=200,
    cache_read_tokens=300,
    cache_write_5m_tokens=100,
    cache_write_1h_tokens=50,
    reasoning_tokens=20,
    web_searches=2,
)
ANSWER: Final = Answer(
    usage=USAGE, context={"service_tier": "priority", "inference_geo": "us", "speed": "fast"}
)
_BILLED_AS: Final = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "genai_cost.usage.cache_write_5m": "cache_write_5m_tokens",
    "genai_cost.usage.cache_write_1h": "cache_write_1h_tokens",
    "genai_cost.usage.web_searches": "web_searches",
}
INPUT: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
)


def used(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: attributes[name] for name, key in _BILLED_AS.items() if name in attributes}


def billed(bill: dict[str, Any]) -> dict[str, Any]:
    """Parts of totals stand on a span only where they are not zero."""
    return {key: n for key, n in bill["usage"].items() if n}


def check_bill(recorder: Recorder, standin: StandIn) -> None:
    """Whether the calls are those on the bill, in their order."""
    drain()
    calls = [dict(span.attributes or {}) for span in recorder.spans]
    assert [used(call) for call in calls] == [billed(bill) for bill in standin.bills]
    assert [call["gen_ai.response.id"] for call in calls] == [
        bill["response_id"] for bill in standin.bills
    ]


def stream(client: anthropic.Anthropic) -> None:
    events = list(client.messages.create(**ASK, stream=True))
    assert type(events[0]).__name__ == "RawMessageStartEvent"


def run_async(standin: StandIn, way: Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]) -> None:
    async def run() -> None:
        url = standin.base_url("anthropic")
        async with anthropic.AsyncAnthropic(base_url=url, api_key="k", max_retries=0) as client:
            await way(client)

    asyncio.run(run())
