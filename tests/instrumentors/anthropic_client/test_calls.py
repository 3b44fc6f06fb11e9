"""The real `anthropic` client against the stand-in: what each call used is what the stand-in billed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, cast

import anthropic
import pytest
from anthropic.lib.bedrock import AnthropicBedrock, AnthropicBedrockMantle
from anthropic.lib.foundry import AnthropicFoundry
from anthropic.lib.vertex import AnthropicVertex
from opentelemetry import baggage, context
from opentelemetry.propagate import inject

from otel_genai_cost.testing.standin import StandIn, ToolCall, Usage
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.anthropic_client.calls import (
    ANSWER,
    ASK,
    MODEL,
    billed,
    check_bill,
    run_async,
    stream,
    used,
)
from tests.instrumentors.conftest import Recorder


def _helper_text(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == "A stand-in's answer."


def _helper_final(client: anthropic.Anthropic) -> None:
    with client.messages.stream(**ASK) as stream:
        assert stream.get_final_message().usage.output_tokens == 200


def _raw_stream(client: anthropic.Anthropic) -> None:
    list(client.messages.with_raw_response.create(**ASK, stream=True).parse())


def _read_later(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**ASK) as response:
        assert response.json()


def _lines(client: anthropic.Anthropic) -> None:
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        assert list(response.iter_lines())


def _runner(client: anthropic.Anthropic) -> None:
    @anthropic.beta_tool
    def weather(city: str) -> str:
        """The weather there."""
        return f"{city}: sunny"

    client.beta.messages.tool_runner(**ASK, tools=[weather]).until_done()


_WAYS: Final[dict[str, Callable[[anthropic.Anthropic], Any]]] = {
    "create": lambda client: client.messages.create(**ASK),
    "stream": stream,
    "helper, text": _helper_text,
    "helper, message": _helper_final,
    "beta": lambda client: client.beta.messages.create(**ASK),
    "parse": lambda client: client.messages.parse(**ASK),
    "raw": lambda client: client.messages.with_raw_response.create(**ASK),
    "raw stream": _raw_stream,
    "read later": _read_later,
    "lines": _lines,
    "post": lambda client: client.post("/v1/messages", cast_to=object, body=ASK),
    "tool runner": _runner,
}


@pytest.mark.parametrize("way", _WAYS.values(), ids=_WAYS)
def test_each_way_is_one_call(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn, way: Callable[[Any], Any]
) -> None:
    standin.script.always(ANSWER)
    way(client)
    assert len(standin.bills) == 1
    check_bill(recorder, standin)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_compaction_is_on_the_bill(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn, streamed: bool
) -> None:
    standin.script.always(ANSWER._replace(options={"compaction": Usage(5_000, 70)}))
    answer = client.beta.messages.create(**ASK, stream=streamed)
    assert not streamed or list(cast("Any", answer))
    check_bill(recorder, standin)


def test_each_call_of_a_tool_runner_is_one(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.next(ANSWER._replace(tool_calls=(ToolCall("weather", {"city": "Bern"}),)))
    standin.script.next(ANSWER._replace(usage=Usage(1_400, 80)))
    _runner(client)
    assert len(standin.bills) == 2
    check_bill(recorder, standin)


async def _astreamed(client: anthropic.AsyncAnthropic) -> None:
    async for _ in await client.messages.create(**ASK, stream=True):
        pass


async def _ahelper(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.stream(**ASK) as stream:
        assert (await stream.get_final_message()).usage.output_tokens == 200


async def _aread_later(client: anthropic.AsyncAnthropic) -> None:
    async with client.messages.with_streaming_response.create(**ASK) as response:
        assert await response.json()


_ASYNC_WAYS: Final[dict[str, Callable[[anthropic.AsyncAnthropic], Awaitable[Any]]]] = {
    "create": lambda client: client.messages.create(**ASK),
    "stream": _astreamed,
    "helper": _ahelper,
    "beta": lambda client: client.beta.messages.create(**ASK),
    "raw": lambda client: client.messages.with_raw_response.create(**ASK),
    "read later": _aread_later,
    "post": lambda client: client.post("/v1/messages", cast_to=object, body=ASK),
}


@pytest.mark.parametrize("way", _ASYNC_WAYS.values(), ids=_ASYNC_WAYS)
def test_each_async_way_is_one_call(recorder: Recorder, standin: StandIn, way: Any) -> None:
    standin.script.always(ANSWER)
    run_async(standin, way)
    assert len(standin.bills) == 1
    check_bill(recorder, standin)


def test_what_a_call_says(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    standin.script.always(ANSWER)
    client.messages.create(**ASK)
    assert _but_usage(recorder.only) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.response.finish_reasons": ("end_turn",),
        "gen_ai.response.id": standin.bills[0]["response_id"],
        "server.address": "127.0.0.1",
        "server.port": standin.port,
        "genai_cost.service_tier": "priority",
        "genai_cost.inference_geo": "us",
        "genai_cost.speed": "fast",
    }


def _but_usage(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if ".usage." not in name}


def test_what_is_free_is_no_call(
    client: anthropic.Anthropic, recorder: Recorder, standin: StandIn
) -> None:
    client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
    assert (recorder.spans, standin.bills) == ((), [])


@pytest.mark.parametrize("traces", [True, False], ids=["tracing itself", "untraced"])
def test_baggage_never_leaves(recorder: Recorder, standin: StandIn, traces: bool) -> None:
    url = standin.base_url("anthropic")
    options: Any = {"traces": traces, "tracer_provider": recorder.provider}
    token = context.attach(baggage.set_baggage("tenant.id", "acme"))
    try:
        with anthropic.Anthropic(base_url=url, api_key="k", open_telemetry=options) as client:
            client.messages.count_tokens(model=MODEL, messages=ASK["messages"])
            client.messages.create(**ASK)
            carrier: dict[str, str] = {}
            inject(carrier)
    finally:
        context.detach(token)
    assert "baggage" in carrier
    assert ["traceparent" in request.headers for request in standin.received] == [traces] * 2
    assert not any("baggage" in request.headers for request in standin.received)


# --- who serves it ---


def _vertex(url: str) -> Any:
    return AnthropicVertex(
        base_url=f"{url}/v1", region="europe-west1", project_id="p", access_token="t"
    )


def _mantle(url: str) -> Any:
    return AnthropicBedrockMantle(base_url=url, aws_region="eu-central-1", api_key="k")


def _foundry(url: str) -> Any:
    return AnthropicFoundry(base_url=url, api_key="k")


class _TeamsOwn(anthropic.Anthropic):
    """An application's subclass, whose name says nothing."""


@pytest.mark.parametrize(
    ("served_by", "make", "region"),
    [
        ("gcp.vertex_ai", _vertex, "europe-west1"),
        ("aws.bedrock", _mantle, "eu-central-1"),
        ("azure.ai.openai", _foundry, None),
        ("anthropic", lambda url: _TeamsOwn(base_url=url, api_key="k"), None),
    ],
)
def test_provider_and_region_by_the_client(
    recorder: Recorder, standin: StandIn, served_by: str, make: Any, region: str | None
) -> None:
    standin.script.always(ANSWER)
    with make(standin.base_url(served_by)) as client:
        client.messages.create(**ASK)
        stream(client)
    assert [bill["provider"] for bill in standin.bills] == [served_by] * 2
    check_bill(recorder, standin)
    for span in recorder.spans:
        attributes = span.attributes or {}
        assert attributes["gen_ai.provider.name"] == served_by
        assert attributes.get("genai_cost.region") == region


# --- together ---


def test_threads(client: anthropic.Anthropic, recorder: Recorder, standin: StandIn) -> None:
    answers = [ANSWER._replace(usage=Usage(1_000 + n, n)) for n in range(1, 25)]
    standin.script.next(*answers)
    ways = [_WAYS["create"], stream] * 12
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda way: way(client), ways))
    calls = {
        (span.attributes or {})["gen_ai.response.id"]: used(dict(span.attributes or {}))
        for span in recorder.spans
    }
    assert calls == {bill["response_id"]: billed(bill) for bill in standin.bills}


def test_a_model_that_answers_after_a_refusal_is_a_call_of_its_own(
    recorder: Recorder, standin: StandIn
) -> None:
    refusal = ANSWER._replace(options={"stop_reason": "refusal"})
    standin.script.next(refusal, ANSWER._replace(usage=Usage(900, 70)))
    fallback = anthropic.BetaRefusalFallbackMiddleware([{"model": "claude-haiku-4-5"}])
    url = standin.base_url("anthropic")
    with anthropic.Anthropic(base_url=url, api_key="k", middleware=[fallback]) as client:
        client.beta.messages.create(**ASK)
    assert len(standin.bills) == 2
    drain()
    first, second = (dict(span.attributes or {}) for span in recorder.spans)
    assert used(first) == standin.bills[0]["usage"]
    assert used(second)["input_tokens"] == 900
    assert (first["gen_ai.response.model"], second["gen_ai.response.model"]) == (
        MODEL,
        "claude-haiku-4-5",
    )
    assert second["gen_ai.request.model"] == "claude-haiku-4-5"
    assert second["genai_cost.request.model_asked"] == MODEL
    assert first["gen_ai.request.model"] == MODEL and "genai_cost.request.model_asked" not in first


@pytest.mark.parametrize("streamed", [False, True])
def test_bedrocks_client(recorder: Recorder, standin: StandIn, streamed: bool) -> None:
    pytest.importorskip("botocore", reason="the client reads Bedrock's streams by it")
    standin.script.always(ANSWER._replace(usage=Usage(1_000, 200, 300), context={}))
    ask: dict[str, Any] = {**ASK, "model": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}
    url = standin.base_url("aws.bedrock")
    with AnthropicBedrock(base_url=url, api_key="k", aws_region="us-east-1") as client:
        answer = client.messages.create(**ask, stream=streamed)
        assert not streamed or list(cast("Any", answer))
    check_bill(recorder, standin)
    assert recorder.only["gen_ai.provider.name"] == "aws.bedrock"
    assert recorder.only["gen_ai.request.model"] == ask["model"]
    assert recorder.only["genai_cost.region"] == "us-east-1"
