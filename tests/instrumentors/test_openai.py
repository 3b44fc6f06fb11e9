"""The real `openai` client against the stand-in: what is traced, and that the caller notices nothing."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from opentelemetry import context, trace
from opentelemetry.trace import StatusCode

from otel_genai_cost import errors, tenant
from otel_genai_cost.tenancy import egress
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors import openai_answers
from otel_genai_instrumentors.clients import openai as facts
from otel_genai_instrumentors.open_calls import drain
from otel_genai_instrumentors.openai_requests import request
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced
from tests.instrumentors.conftest import Recorder

ASK: list[Any] = [{"role": "user", "content": "what does this cost? " * 30}]
USAGE = {
    "gen_ai.usage.input_tokens": 173,
    "gen_ai.usage.output_tokens": 62,
    "gen_ai.usage.cache_read.input_tokens": 64,
}
"""What the stand-in's rule gives for ASK: 660 bytes of JSON."""


@pytest.fixture
def client(standin: OpenAIStandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=2) as client:
        yield client


def _usage(attributes: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key.startswith("gen_ai.usage.")}


def test_chat(client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert answer.choices[0].message.content == "A stand-in's answer."
    assert recorder.only == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "server.address": "127.0.0.1",
        "server.port": int(standin.url.split(":")[2].split("/")[0]),
        "gen_ai.response.id": answer.id,
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.finish_reasons": ("stop",),
        "openai.response.service_tier": "default",
        **USAGE,
    }
    (span,) = recorder.spans
    assert (span.name, span.kind) == ("chat gpt-4o", trace.SpanKind.CLIENT)


@pytest.mark.usefixtures("asked")
def test_stream_is_asked_for_usage_and_the_extra_chunk_is_hidden(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True))
    assert standin.received[-1].body["stream_options"] == {"include_usage": True}
    assert all(chunk.choices for chunk in chunks)
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "A stand-in's answer."
    assert _usage(recorder.only) == USAGE


def test_stream_whose_caller_asked_for_usage_hides_nothing(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    options: Any = {"include_usage": True}
    chunks = list(
        client.chat.completions.create(
            model="gpt-4o", messages=ASK, stream=True, stream_options=options
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert _usage(recorder.only) == USAGE


@pytest.mark.usefixtures("asked")
def test_stream_whose_caller_said_no_is_left_alone(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    options: Any = {"include_usage": False}
    list(
        client.chat.completions.create(
            model="gpt-4o", messages=ASK, stream=True, stream_options=options
        )
    )
    assert _usage(recorder.only) == {}


def test_embeddings(client: openai.OpenAI, recorder: Recorder) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="hello")
    assert recorder.only["gen_ai.operation.name"] == "embeddings"
    assert _usage(recorder.only) == {"gen_ai.usage.input_tokens": 9}


def test_reasoning_tokens(client: openai.OpenAI, recorder: Recorder) -> None:
    client.chat.completions.create(model="o4-mini", messages=ASK)
    assert recorder.only["gen_ai.usage.reasoning.output_tokens"] == 31


def test_responses_plain_and_streamed(client: openai.OpenAI, recorder: Recorder) -> None:
    client.responses.create(model="gpt-4o", input="hello")
    for _ in client.responses.create(model="gpt-4o", input="hello", stream=True):
        pass
    first, second = (_usage(dict(span.attributes or {})) for span in recorder.spans)
    assert first == second == {"gen_ai.usage.input_tokens": 9, "gen_ai.usage.output_tokens": 8}


@pytest.mark.usefixtures("asked")
def test_stream_helper_and_raw_response(client: openai.OpenAI, recorder: Recorder) -> None:
    with client.chat.completions.stream(model="gpt-4o", messages=ASK) as stream:
        for _ in stream:
            pass
        assert stream.get_final_completion().choices[0].message.content == "A stand-in's answer."
    raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=ASK)
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse().model == "gpt-4o-2024-08-06"
    assert [_usage(dict(span.attributes or {})) for span in recorder.spans] == [USAGE, USAGE]


def _ids(spans: tuple[Any, ...]) -> set[object]:
    return {span.attributes["gen_ai.response.id"] for span in spans}


@pytest.mark.usefixtures("asked")
def test_raw_response_of_a_stream_is_left_alone_and_read_all_the_same(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    create = client.chat.completions.with_raw_response.create
    raw = create(model="gpt-4o", messages=ASK, stream=True)
    stream = raw.parse()
    assert raw.parse() is stream and type(stream) is openai.Stream
    assert all(chunk.choices for chunk in stream)
    assert "stream_options" not in standin.received[-1].body
    options: Any = {"include_usage": True}
    raw = create(model="gpt-4o", messages=ASK, stream=True, stream_options=options)
    assert list(raw.parse())[-1].usage is not None
    untold, told = (_usage(dict(span.attributes or {})) for span in recorder.spans)
    assert (untold, told) == ({}, USAGE)
    assert len(_ids(recorder.spans)) == 2


@pytest.mark.usefixtures("asked")
def test_body_that_its_caller_streams_is_left_to_them(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    streaming = client.chat.completions.with_streaming_response
    with streaming.create(model="gpt-4o", messages=ASK) as response:
        assert not response.http_response.is_closed
        assert response.parse().model == "gpt-4o-2024-08-06"
    with streaming.create(model="gpt-4o", messages=ASK) as response:
        assert b"A stand-in" in response.read()
    with streaming.create(model="gpt-4o", messages=ASK, stream=True) as response:
        lines = list(response.iter_lines())
    assert not any('"usage":{' in line.replace(" ", "") for line in lines)
    told = [_usage(dict(span.attributes or {})) for span in recorder.spans]
    assert told == [USAGE, USAGE, {}]


def test_async_raw_responses(standin: OpenAIStandIn, recorder: Recorder) -> None:
    async def calls() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            chat = client.chat.completions
            raw = await chat.with_raw_response.create(model="gpt-4o", messages=ASK, stream=True)
            assert all([chunk.choices async for chunk in raw.parse()])
            options: Any = {"include_usage": True}
            raw = await chat.with_raw_response.create(
                model="gpt-4o", messages=ASK, stream=True, stream_options=options
            )
            assert [chunk.usage async for chunk in raw.parse()][-1] is not None
            streaming = chat.with_streaming_response
            async with streaming.create(model="gpt-4o", messages=ASK) as response:
                assert (await response.parse()).model == "gpt-4o-2024-08-06"

    asyncio.run(calls())
    told = [_usage(dict(span.attributes or {})) for span in recorder.spans]
    assert told == [{}, USAGE, USAGE]


async def _async_calls(standin: OpenAIStandIn) -> None:
    async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
        await client.chat.completions.create(model="gpt-4o", messages=ASK)
        stream = await client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
        chunks = [chunk async for chunk in stream]
        assert all(chunk.choices for chunk in chunks)
        await client.embeddings.create(model="text-embedding-3-small", input="hello")


@pytest.mark.usefixtures("asked")
def test_async_client(recorder: Recorder, standin: OpenAIStandIn) -> None:
    asyncio.run(_async_calls(standin))
    usages = [_usage(dict(span.attributes or {})) for span in recorder.spans]
    assert usages == [USAGE, USAGE, {"gen_ai.usage.input_tokens": 9}]


def test_retry_is_one_span(client: openai.OpenAI, recorder: Recorder) -> None:
    client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "[429] a"}]
    )
    assert "error.type" not in recorder.only


def test_error_is_the_callers_own_and_ends_the_span(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    with pytest.raises(openai.InternalServerError, match="asked to fail"):
        client.with_options(max_retries=0).chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "[500]"}]
        )
    assert recorder.only["error.type"] == "openai.InternalServerError"
    assert recorder.spans[0].status.status_code is StatusCode.ERROR


def test_stream_that_breaks_off_ends_its_span(client: openai.OpenAI, recorder: Recorder) -> None:
    asked: list[Any] = [{"role": "user", "content": "[disconnect]"}]
    list(client.chat.completions.create(model="gpt-4o", messages=asked, stream=True))
    assert _usage(recorder.only) == {}


def test_closed_stream_ends_once(client: openai.OpenAI, recorder: Recorder) -> None:
    with client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True) as stream:
        next(iter(stream))
        stream.close()
        stream.close()
    assert len(recorder.spans) == 1


def test_abandoned_stream_ends_with_the_next_call_not_in_its_finalizer(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    stream = client.chat.completions.create(model="gpt-4o", messages=ASK, stream=True)
    next(iter(stream))
    del stream
    gc.collect()
    assert recorder.spans == ()
    drain()
    assert recorder.only["gen_ai.response.model"] == "gpt-4o-2024-08-06"


def test_span_is_current_during_the_call_and_nothing_is_left_behind(
    client: openai.OpenAI, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    current: list[str] = []
    send = client._client.send

    def watched(*args: Any, **kwargs: Any) -> Any:
        span = trace.get_current_span()
        current.append(getattr(span, "name", ""))
        return send(*args, **kwargs)

    monkeypatch.setattr(client._client, "send", watched)
    before = context.get_current()
    client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert current == ["chat gpt-4o"]
    assert context.get_current() == before


def test_bug_in_a_clients_facts_never_reaches_the_caller(
    client: openai.OpenAI, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> bool:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(openai_answers, "_usage", broken)
    before = errors.failures.get("instrumentor.response", 0)
    assert client.chat.completions.create(model="gpt-4o", messages=ASK).id
    assert errors.failures["instrumentor.response"] == before + 1
    assert len(recorder.spans) == 1


def test_tenants_baggage_does_not_leave(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    from opentelemetry import propagate

    def call() -> dict[str, str]:
        sent: dict[str, str] = {}
        original = client._client.send

        def send(request: Any, **kwargs: Any) -> Any:
            propagate.inject(sent)  # as an HTTP instrumentation does it, inside the call
            return original(request, **kwargs)

        client._client.send = send  # type: ignore[method-assign]
        with tenant("acme"):
            client.chat.completions.create(model="gpt-4o", messages=ASK)
        client._client.send = original  # type: ignore[method-assign]
        return sent

    sent = call()
    assert "traceparent" in sent
    assert "baggage" not in sent
    egress.configure(("127.0.0.1",))
    try:
        assert call()["baggage"] == "tenant.id=acme"
    finally:
        egress.configure(())


def test_uninstrument_puts_the_client_back(client: openai.OpenAI) -> None:
    from openai.resources.chat.completions import Completions

    before = Completions.create
    instrumentor = facts.OpenAIInstrumentor()
    instrumentor.instrument()
    assert Completions.create is not before
    instrumentor.uninstrument()
    assert Completions.create is before


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        ("api.openai.com", "openai"),
        ("acme.openai.azure.com", "azure.ai.openai"),
        ("api.deepseek.com", "deepseek"),
        ("openrouter.ai", "openrouter"),
        ("notopenrouter.ai", "openai"),
        ("gateway.example.com", "openai"),
    ],
)
def test_provider_is_whose_host_it_is(host: str, provider: str) -> None:
    with openai.OpenAI(base_url=f"https://{host}/v1", api_key="k") as client:
        attributes = request(client.chat.completions, {"model": "gpt-4o"}, host)
    assert attributes["gen_ai.provider.name"] == provider


def test_responses_parse(client: openai.OpenAI, recorder: Recorder) -> None:
    client.responses.parse(model="gpt-4o", input="hello")
    assert _usage(recorder.only) == {
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 8,
    }


def test_a_method_that_only_calls_another_one_is_one_call_with_it(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    """As `beta.chat.completions.parse` of 1.40 does."""
    resource = client.chat.completions
    outer = traced(facts._PARSE, CallTracer("openai", recorder.provider))
    asked = {"model": "gpt-4o", "messages": ASK}
    outer(resource.with_raw_response.create, resource, (), asked)
    assert _usage(recorder.only) == USAGE
