"""What other providers add to OpenAI's format, as they send it, and what of it is read from the real client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import openai
import pytest

from otel_genai_cost import errors
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_cost.testing.standin.script import Answer, ToolCall, Usage
from otel_genai_cost.testing.standin.server import StandIn
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, events
from tests.instrumentors.conftest import Recorder

_SAID: Final[dict[str, tuple[str, dict[str, Any], dict[str, Any]]]] = {
    "OpenRouter's bill": (
        "gen-1790000000-x",
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.00125},
        {"genai_cost.provider_cost": "0.00125"},
    ),
    "OpenRouter's bill with a key of one's own": (
        "gen-1790000000-y",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "cost": 0.0005,
            "is_byok": True,
            "cost_details": {"upstream_inference_cost": 0.01},
        },
        {"genai_cost.provider_cost": "0.0105"},
    ),
    "a proxy's own figure": (
        "chatcmpl-1",
        {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "cost": 0.5},
        {},
    ),
    "xAI's ticks, and reasoning beside the completion": (
        "id-1",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 150,
            "cost_in_usd_ticks": 12_345,
            "completion_tokens_details": {"reasoning_tokens": 30},
            "num_sources_used": 0,
        },
        {
            "gen_ai.usage.output_tokens": 50,
            "gen_ai.usage.reasoning.output_tokens": 30,
            "genai_cost.provider_cost": "0.0000012345",
        },
    ),
    "the same without a word that the client does not know": (
        "id-2",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 150,
            "completion_tokens_details": {"reasoning_tokens": 30},
        },
        {"gen_ai.usage.output_tokens": 50, "gen_ai.usage.reasoning.output_tokens": 30},
    ),
    "Perplexity's bill": (
        "id-3",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "search_context_size": "low",
            "cost": {"total_cost": 0.006, "request_cost": 0.005},
        },
        {"genai_cost.provider_cost": "0.006", "genai_cost.search_context_size": "low"},
    ),
    "DeepSeek's cache": (
        "id-4",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        {"gen_ai.usage.cache_read.input_tokens": 64},
    ),
    "parts of every kind": (
        "id-5",
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {
                "cached_tokens": 10,
                "cache_write_tokens": 5,
                "audio_tokens": 7,
                "image_tokens": 11,
            },
            "completion_tokens_details": {
                "audio_tokens": 3,
                "reasoning_tokens": 4,
                "accepted_prediction_tokens": 2,
                "rejected_prediction_tokens": 1,
            },
        },
        {
            "gen_ai.usage.cache_read.input_tokens": 10,
            "gen_ai.usage.cache_write.input_tokens": 5,
            "gen_ai.usage.audio.input_tokens": 7,
            "gen_ai.usage.image.input_tokens": 11,
            "gen_ai.usage.audio.output_tokens": 3,
            "gen_ai.usage.reasoning.output_tokens": 4,
        },
    ),
}
"""What is said -> the response's id, its usage, and what is read beside the totals."""

_TOTALS: Final = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
_CONDITIONS: Final = ("genai_cost.provider_cost", "genai_cost.search_context_size")


def _answer(call: Call) -> Reply:
    response_id, usage, _ = _SAID[call.model]
    common = {"id": response_id, "created": 1, "model": "m"}
    if call.body.get("stream"):
        chunk = {**common, "object": "chat.completion.chunk"}
        delta = {"role": "assistant", "content": "hi"}
        chunks = [
            {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**chunk, "choices": [], "usage": usage},
        ]
        if "in every chunk" in call.text:
            chunks = [{**one, "usage": usage} for one in chunks[:2]]
        return Reply(parts=events(chunks, "[DONE]"), content_type=EVENTS)
    message = {"role": "assistant", "content": "hi"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Reply(answer)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn(routes=(Route("anybody", r".*/chat/completions", _answer),)) as standin:
        yield f"{standin.base_url('anybody')}/v1"


@pytest.fixture
def client(standin: OpenAIStandIn, recorder: Recorder) -> Iterator[openai.OpenAI]:
    """Made when the client is instrumented: older ones hold on to what they send with."""
    assert recorder.spans == ()
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _used(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in attributes.items()
        if ".usage." in name or name in _CONDITIONS
    }


@pytest.mark.parametrize("way", ["plain", "raw", "stream", "in every chunk"])
@pytest.mark.parametrize("said", _SAID)
def test_what_a_provider_adds_is_read(url: str, recorder: Recorder, said: str, way: str) -> None:
    asked: Any = {"model": said, "messages": [{"role": "user", "content": way}]}
    failed = dict(errors.failures)
    with openai.OpenAI(base_url=url, api_key="k") as client:
        if way == "plain":
            client.chat.completions.create(**asked)
        elif way == "raw":
            with client.chat.completions.with_streaming_response.create(**asked) as response:
                response.json()
        else:
            list(client.chat.completions.create(**asked, stream=True))
    assert _used(recorder.only) == {**_TOTALS, **_SAID[said][2]}
    assert errors.failures == failed


# --- the provider's own tools ---


def _search(kind: str | None = "search") -> dict[str, Any]:
    return {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": kind}}


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"output": [_search(), _search("open_page"), _search()]}, {"web_searches": 2}),
        ({"output": [_search(), _search()], "tool_usage": {}}, {"web_searches": 2}),
        (
            {"output": [_search()], "tool_usage": {"web_search": {"num_requests": 0}}},
            {},
        ),
        (
            {"output": [_search()], "tool_usage": {"web_search": {"num_requests": 3}}},
            {"web_searches": 3},
        ),
        (
            {"output": [{"type": "image_generation_call", "id": "i", "status": "completed"}]},
            {"incomplete": True},
        ),
        ({"output": [{"type": "file_search_call", "id": "f"}]}, {"incomplete": True}),
    ],
)
def test_tools_of_a_response(recorder: Recorder, more: Any, found: dict[str, Any]) -> None:
    def answer(call: Call) -> Reply:
        usage = {"input_tokens": 9, "output_tokens": 8, "total_tokens": 17}
        return Reply(
            {"id": "resp_1", "object": "response", "model": "gpt-4o", "usage": usage, **more}
        )

    with (
        StandIn(routes=(Route("openai", r".*/responses", answer),)) as standin,
        openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client,
    ):
        client.responses.create(model="gpt-4o", input="hello")
        with client.responses.with_streaming_response.create(model="gpt-4o", input="x") as raw:
            raw.json()
    for span in recorder.spans:
        used = _used(dict(span.attributes or {}))
        assert {
            name.rpartition(".")[2]: value
            for name, value in used.items()
            if name.startswith("genai_cost.")
        } == found


@pytest.mark.parametrize("long", [0, 7])
def test_a_dearer_write_to_the_cache_makes_an_estimate(recorder: Recorder, long: int) -> None:
    lifetimes = {"ttl_12h_tokens": long, "ttl_30m_tokens": 20 - long}
    inside = {"cached_tokens": 0, "cache_write_tokens": 20, "cache_write_tokens_details": lifetimes}
    usage = {"input_tokens": 90, "output_tokens": 8, "total_tokens": 98}

    def answer(call: Call) -> Reply:
        used = {**usage, "input_tokens_details": inside}
        return Reply({"id": "resp_1", "object": "response", "model": "m", "usage": used})

    with (
        StandIn(routes=(Route("openai", r".*/responses", answer),)) as standin,
        openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client,
    ):
        client.responses.create(model="m", input="x")
        client.post("/responses", body={"model": "m", "input": "x"}, cast_to=object)
    found = [dict(span.attributes or {}) for span in recorder.spans]
    assert [one["gen_ai.usage.cache_write.input_tokens"] for one in found] == [20, 20]
    assert [one.get("genai_cost.usage.incomplete", False) for one in found] == [bool(long)] * 2


def test_decisions_have_prices_of_their_own(recorder: Recorder) -> None:
    usage = {"input_tokens": 900, "output_tokens": 3, "total_tokens": 903}

    def answer(call: Call) -> Reply:
        return Reply({"answers": [], "model": call.model, "usage": usage})

    with (
        StandIn(routes=(Route("openai", r".*/decisions", answer),)) as standin,
        openai.OpenAI(base_url=f"{standin.base_url('openai')}/v1", api_key="k") as client,
    ):
        body = {"model": "gpt-6-luna", "input": "x", "questions": []}
        client.post("/decisions", body=body, cast_to=object)
    found = recorder.only
    assert found["gen_ai.operation.name"] == "decision"
    assert found["gen_ai.provider.name"] == "openai-decisions"
    assert found["gen_ai.response.model"] == "gpt-6-luna"
    assert found["gen_ai.usage.input_tokens"] == 900


# --- streams that are left ---


@pytest.mark.parametrize("kind", ["chat", "tool", "completion", "response"])
def test_a_stream_that_is_left_has_an_estimate_of_what_had_come(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn, kind: str
) -> None:
    words = "one two three four five six seven eight"
    call = ToolCall("f", {"x": words})
    standin.script.next(Answer(text=words, tool_calls=(call,) if kind == "tool" else ()))
    messages: Any = [{"role": "user", "content": "hello there"}]
    stream: Any
    if kind == "response":
        stream = client.responses.create(
            model="gpt-4o", input="hello there", stream=True, max_output_tokens=50
        )
    elif kind == "completion":
        stream = client.completions.create(
            model="gpt-4o", prompt="hello there", stream=True, max_tokens=50
        )
    else:
        stream = client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True, max_completion_tokens=50
        )
    for _ in range(1 if kind == "tool" else 6):
        next(stream)
    stream.close()
    least, likely, most = recorder.only["genai_cost.estimate.output_tokens"]
    assert 0 < least <= likely < most == 50
    assert recorder.only["genai_cost.estimate.input_tokens"][2] >= len("hello there")
    assert recorder.only["genai_cost.unfinished"] is True


def test_a_response_that_goes_on_from_another_has_no_bound_of_its_input(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    stream = client.responses.create(
        model="gpt-4o", input="and now?", previous_response_id="resp_0", stream=True
    )
    next(stream)
    stream.close()
    assert "genai_cost.estimate.input_tokens" not in recorder.only


def test_the_stream_helpers(client: openai.OpenAI, recorder: Recorder) -> None:
    with client.responses.stream(model="gpt-4o", input="hello") as stream:
        assert stream.get_final_response().output_text == "A stand-in's answer."
    assert _used(recorder.only) == {
        "gen_ai.usage.input_tokens": 9,
        "gen_ai.usage.output_tokens": 8,
    }


def test_a_bytes_stream_of_a_response_that_is_read_to_its_end_is_whole(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    standin.script.next(Answer(usage=Usage(9, 8)))
    with client.responses.with_streaming_response.create(
        model="gpt-4o", input="hello", stream=True
    ) as response:
        assert b"".join(response.iter_bytes())
    assert "genai_cost.unfinished" not in recorder.only


def test_azure(standin: OpenAIStandIn, recorder: Recorder) -> None:
    """Its deployments' paths are made of the same ends."""
    endpoint = standin.url.removesuffix("/v1")
    with openai.AzureOpenAI(
        azure_endpoint=endpoint, api_version="2025-04-01-preview", api_key="k"
    ) as client:
        client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "x"}])
        client.images.generate(model="gpt-image-1", prompt="a cat")
        made = client.responses.create(model="gpt-4o", input="x", background=True)
        client.responses.retrieve(made.id)
    seen = [
        (span.attributes or {})["gen_ai.operation.name"]
        for span in recorder.spans
        if (span.attributes or {})["gen_ai.provider.name"] == "azure.ai.openai"
    ]
    assert seen == ["chat", "image_generation", "chat", "fetch_response"]
    assert standin.received[-4].path.startswith("/openai/deployments/mine/chat/completions")
