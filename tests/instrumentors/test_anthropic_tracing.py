"""Beside the spans that the `anthropic` client makes of its own calls: one call, one charge, and nothing is poorer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import anthropic
import pytest
from anthropic.lib.vertex import AnthropicVertex
from opentelemetry.sdk.trace import ReadableSpan

from otel_genai_cost import attach, tenant
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import mtok
from tests.instrumentors.conftest import Recorder

_ASK: Final[dict[str, Any]] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "hi"}],
}
_USAGE: Final = Usage(1_000, 200, cache_read_tokens=300, cache_write_1h_tokens=50, web_searches=2)
_THEIRS: Final = "com.anthropic.sdk.python"
_OURS: Final = "otel_genai_instrumentors.anthropic"
_SEARCHES: Final = 2 * mtok((10_000, "1"))
"""At 10 USD a thousand."""

_INPUT: Final = mtok((650, "3.3"), (300, "0.33"), (50, "6.6")) + _SEARCHES
_WHOLE: Final = _INPUT + mtok((200, "16.5"))
"""Where it was computed, which their span does not say, makes it a tenth more."""

_INPUT_LEAVES: Final = {"input": 650, "cache_read": 300, "cache_write_1h": 50, "web_searches": 2}
_LEAVES: Final = {**_INPUT_LEAVES, "output": 200}


class _Metered:
    """A metered provider, what it exports, and the ledger made of its journal."""

    def __init__(self, folder: Path) -> None:
        self.recorder, self._folder = Recorder(), folder
        attach(self.recorder.provider, journal=folder / "journal", quiet=True)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        drain()
        return self.recorder.spans

    @property
    def scopes(self) -> list[str]:
        return [
            span.instrumentation_scope.name for span in self.spans if span.instrumentation_scope
        ]

    def charged(self) -> list[Position]:
        drain()
        home = self._folder / "home"
        ship(home, [self._folder / "journal"], drain=True)
        ledger = Ledger(home / LEDGER_FILE, readonly=True)
        try:
            return [position for charge in charges(ledger) for position in charge.positions]
        finally:
            ledger.close()


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with StandIn("anthropic", "gcp.vertex_ai") as running:
        yield running


@pytest.fixture
def standin(served: StandIn) -> StandIn:
    served.reset()
    served.script.always(Answer(usage=_USAGE, context={"inference_geo": "us"}))
    return served


@pytest.fixture
def metered(tmp_path: Path) -> Iterator[_Metered]:
    metered = _Metered(tmp_path)
    instrumentor = AnthropicInstrumentor()
    instrumentor.instrument(tracer_provider=metered.recorder.provider)
    yield metered
    instrumentor.uninstrument()


@pytest.fixture
def client(standin: StandIn, metered: _Metered) -> Iterator[anthropic.Anthropic]:
    with _client(standin, tracer_provider=metered.recorder.provider) as client:
        yield client


def _client(standin: StandIn, **tracing: Any) -> anthropic.Anthropic:
    url, option = standin.base_url("anthropic"), cast("Any", tracing or None)
    return anthropic.Anthropic(base_url=url, api_key="k", max_retries=2, open_telemetry=option)


def _create(client: anthropic.Anthropic) -> None:
    client.messages.create(**_ASK)


def _stream(client: anthropic.Anthropic) -> None:
    list(client.messages.create(**_ASK, stream=True))


def _helper(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**_ASK) as stream:
        stream.get_final_message()


def _raw(client: anthropic.Anthropic) -> None:
    client.messages.with_raw_response.create(**_ASK).parse()


def _read_later(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**_ASK) as response:
        response.json()


_WAYS: Final = [_create, _stream, _helper, _raw, _read_later]


@pytest.mark.parametrize("way", _WAYS[:-1])
def test_their_span_is_the_only_one_and_shows_our_cost(
    client: anthropic.Anthropic, metered: _Metered, standin: StandIn, way: Callable[[Any], None]
) -> None:
    with tenant("acme"):
        way(client)
    assert metered.scopes == [_THEIRS]
    (position,) = metered.charged()
    assert position.usage == _LEAVES
    assert (position.amount, position.attribution.tenant) == (_WHOLE, "acme")
    shown: dict[str, Any] = dict(metered.spans[0].attributes or {})
    assert Decimal(shown["genai_cost.total"]).scaleb(18) == _WHOLE
    assert shown["tenant.id"] == "acme"


def test_their_span_of_an_answer_that_is_read_later_ends_before_we_know(
    client: anthropic.Anthropic, metered: _Metered
) -> None:
    _read_later(client)
    assert metered.scopes == [_THEIRS]
    (position,) = metered.charged()
    assert (position.usage, position.amount) == (_LEAVES, _WHOLE)


@pytest.mark.parametrize("way", _WAYS)
def test_where_the_client_is_told_not_to_trace_the_span_is_ours(
    metered: _Metered, standin: StandIn, monkeypatch: pytest.MonkeyPatch, way: Callable[[Any], None]
) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false")
    with _client(standin) as client, tenant("acme"):
        way(client)
    assert metered.scopes == [_OURS]
    (position,) = metered.charged()
    assert (position.usage, position.amount) == (_LEAVES, _WHOLE)


def test_a_span_that_we_do_not_meter_changes_nothing(metered: _Metered, standin: StandIn) -> None:
    theirs = Recorder()
    with _client(standin, tracer_provider=theirs.provider) as client:
        _create(client)
    assert len(theirs.spans) == 1
    assert metered.scopes == [_OURS]
    (position,) = metered.charged()
    assert position.amount == _WHOLE


def test_async(metered: _Metered, standin: StandIn) -> None:
    async def run() -> None:
        url = standin.base_url("anthropic")
        tracing: Any = {"tracer_provider": metered.recorder.provider}
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key="k", open_telemetry=tracing
        ) as client:
            await client.messages.create(**_ASK)
            async for _ in await client.messages.create(**_ASK, stream=True):
                pass

    asyncio.run(run())
    assert metered.scopes == [_THEIRS] * 2
    assert [position.amount for position in metered.charged()] == [_WHOLE] * 2


def test_a_stream_that_is_left_is_charged_by_what_we_know_of_it(
    client: anthropic.Anthropic, metered: _Metered
) -> None:
    stream = client.messages.create(**_ASK, stream=True)
    next(event for event in stream if event.type == "content_block_delta")
    stream.close()
    del stream
    gc.collect()
    (position,) = metered.charged()
    assert position.quality == "estimated"
    assert position.usage == {**_INPUT_LEAVES, "output": 1}
    assert position.amount == _INPUT + mtok((1, "16.5"))


def test_a_refusal_is_one_call_that_costs_nothing(
    client: anthropic.Anthropic, metered: _Metered, standin: StandIn
) -> None:
    standin.reset()
    standin.script.always(Answer(status=529, retry_after_s=0.01))
    with pytest.raises(anthropic.APIStatusError):
        _create(client)
    assert metered.scopes == [_THEIRS]
    (position,) = metered.charged()
    assert (position.amount, position.calls) == (0, 1)


def test_a_call_that_never_left_is_none(metered: _Metered) -> None:
    tracing: Any = {"tracer_provider": metered.recorder.provider}
    with (
        anthropic.Anthropic(
            base_url="http://127.0.0.1:9", api_key="k", max_retries=0, open_telemetry=tracing
        ) as client,
        pytest.raises(anthropic.APIConnectionError),
    ):
        _create(client)
    assert metered.charged() == []


def test_what_is_free_is_no_charge(client: anthropic.Anthropic, metered: _Metered) -> None:
    client.messages.count_tokens(model=_ASK["model"], messages=_ASK["messages"])
    assert metered.scopes == [_THEIRS]
    assert metered.charged() == []


def test_a_platforms_client(metered: _Metered, standin: StandIn) -> None:
    tracing: Any = {"tracer_provider": metered.recorder.provider}
    url = f"{standin.base_url('gcp.vertex_ai')}/v1"
    with AnthropicVertex(
        base_url=url, region="global", project_id="p", access_token="t", open_telemetry=tracing
    ) as client:
        client.messages.create(**_ASK)
    assert metered.scopes == [f"{_THEIRS}.vertex"]
    (position,) = metered.charged()
    assert (position.provider, position.usage) == ("gcp.vertex_ai", _LEAVES)


@pytest.mark.parametrize("traces", [True, False], ids=["tracing itself", "untraced"])
def test_coroutines_are_for_whom_they_were_asked_for(
    metered: _Metered, standin: StandIn, traces: bool
) -> None:
    option: Any = {"traces": traces, "tracer_provider": metered.recorder.provider}
    url = standin.base_url("anthropic")

    async def run() -> None:
        async with anthropic.AsyncAnthropic(
            base_url=url, api_key="k", open_telemetry=option
        ) as client:
            with tenant("one"):
                asked = client.messages.create(**_ASK)
            with tenant("two"):
                streaming = client.messages.stream(**_ASK)
            with tenant("three"):
                await asyncio.gather(asked, client.beta.messages.create(**_ASK))
                async with streaming as stream:
                    await stream.get_final_message()

    asyncio.run(run())
    assert _tenants(metered) == ["one", "three", "two"]


def test_a_stream_is_for_whom_it_was_asked_for(
    client: anthropic.Anthropic, metered: _Metered
) -> None:
    with tenant("one"):
        asked = client.messages.stream(**_ASK)
    with tenant("two"), asked as stream:
        stream.get_final_message()
    assert _tenants(metered) == ["one"]


def _tenants(metered: _Metered) -> list[str]:
    return sorted(str(position.attribution.tenant) for position in metered.charged())
