"""Calls of the `google-genai` client: each that is billed is observed as it is billed, whatever sends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.genai import errors, types

from otel_genai_cost.testing.standin.script import Answer, ToolCall, Usage
from tests.instrumentors.google.conftest import LOCATION, Metered

FLASH = "gemini-2.5-flash"

TEXTS: Any = ["a", "b"]

USAGES = {
    "plain": Answer(Usage(347, 97)),
    "cached": Answer(Usage(2347, 97, cache_read_tokens=2131)),
    "thoughts": Answer(Usage(347, 158, reasoning_tokens=61)),
    "audio": Answer(Usage(347, 97, 131, input_audio_tokens=47, cached_audio_tokens=11)),
    "pictures": Answer(Usage(611, 97, input_image_tokens=258, input_video_tokens=263)),
    "drawn": Answer(Usage(347, 1310, output_image_tokens=1290)),
    "spoken": Answer(Usage(347, 120, output_audio_tokens=120)),
    "tool use": Answer(Usage(947, 97), options={"tool_use_tokens": 600}),
    "no details": Answer(
        Usage(347, 158, 131, reasoning_tokens=61), options={"modality_details": False}
    ),
}
"""By what is special about the usage."""


def _plain(metered: Metered) -> None:
    metered.client().models.generate_content(model=FLASH, contents="hi")


def _streamed(metered: Metered) -> None:
    assert list(metered.client().models.generate_content_stream(model=FLASH, contents="hi"))


async def _plain_async(metered: Metered) -> None:
    async with metered.client().aio as client:
        await client.models.generate_content(model=FLASH, contents="hi")


async def _streamed_async(metered: Metered) -> None:
    async with metered.client().aio as client:
        stream = await client.models.generate_content_stream(model=FLASH, contents="hi")
        assert [part async for part in stream]


def _chat(metered: Metered) -> None:
    metered.client().chats.create(model=FLASH).send_message("hi")


WAYS: dict[str, Callable[[Metered], Any]] = {
    "plain": _plain,
    "streamed": _streamed,
    "async": lambda metered: asyncio.run(_plain_async(metered)),
    "async streamed": lambda metered: asyncio.run(_streamed_async(metered)),
    "chat": _chat,
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("usage", USAGES)
def test_usage_is_what_is_billed(metered: Metered, way: str, usage: str) -> None:
    metered.standin.script.next(USAGES[usage])
    WAYS[way](metered)
    assert metered.observed == metered.billed
    (one,) = metered.observations
    assert one.reading.usage.quality == "reported"


def test_what_a_call_says(metered: Metered) -> None:
    metered.client().models.generate_content(model=f"models/{FLASH}", contents="hi")
    bill = metered.standin.bills[0]
    usage = bill["usage"]
    found = dict(metered.only)
    assert found.pop("server.port") == metered.standin.port
    assert float(found.pop("gen_ai.usage.cost")) > 0
    assert {key: found[key] for key in found if key[:10] != "genai_cost"} == {
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": FLASH,
        "server.address": "127.0.0.1",
        "gen_ai.response.id": bill["response_id"],
        "gen_ai.response.model": FLASH,
        "gen_ai.response.finish_reasons": ("STOP",),
        "gen_ai.usage.input_tokens": usage["input_tokens"],
        "gen_ai.usage.output_tokens": usage["output_tokens"],
    }


def test_the_calls_of_automatic_function_calling_are_each_observed(metered: Metered) -> None:
    def weather(city: str) -> str:
        """How it is."""
        return f"sunny in {city}"

    metered.standin.script.next(
        Answer(Usage(100, 10), tool_calls=(ToolCall("weather", {"city": "Bern"}),)),
        Answer(Usage(150, 20)),
    )
    answer = (
        metered.client()
        .chats.create(model=FLASH, config=types.GenerateContentConfig(tools=[weather]))
        .send_message("hi")
    )
    assert answer.text == "A stand-in's answer."
    assert (
        metered.observed
        == metered.billed
        == [
            {"input_tokens": 100, "output_tokens": 10},
            {"input_tokens": 150, "output_tokens": 20},
        ]
    )


@pytest.mark.parametrize("tier", ["flex", "priority", "provisioned_throughput"])
def test_the_tier_that_served_it(metered: Metered, tier: str) -> None:
    metered.standin.script.next(Answer(Usage(100, 10), {"service_tier": tier}))
    metered.vertex().models.generate_content(model=FLASH, contents="hi")
    (one,) = metered.observations
    assert one.reading.context == {"service_tier": tier, "region": LOCATION}


def test_a_tier_that_only_a_header_names(metered: Metered) -> None:
    answer = Answer(Usage(100, 10), {"service_tier": "flex"}, options={"tier_header": True})
    metered.standin.script.next(answer, answer)
    _plain(metered)
    _streamed(metered)
    assert [one.reading.context for one in metered.observations] == [{"service_tier": "flex"}] * 2


def test_a_tier_that_was_asked_for_and_not_given(metered: Metered) -> None:
    metered.standin.script.next(Answer(Usage(100, 10), {"service_tier": "standard"}))
    metered.client().models.generate_content(
        model=FLASH,
        contents="hi",
        config=types.GenerateContentConfig(service_tier=types.ServiceTier.PRIORITY),
    )
    assert metered.only["genai_cost.service_tier"] == "standard"


def test_searches_are_billed_by_the_prompt_before_gemini_3(metered: Metered) -> None:
    answer = Answer(Usage(100, 10, web_searches=3))
    metered.standin.script.next(answer, answer)
    client = metered.client()
    for model in (FLASH, "gemini-3-pro-preview"):
        list(client.models.generate_content_stream(model=model, contents="hi"))
    assert [one["web_searches"] for one in metered.observed] == [1, 3]


def test_vertex(metered: Metered) -> None:
    metered.vertex().models.generate_content(model=FLASH, contents="hi")
    (one,) = metered.observations
    assert (one.reading.provider, one.reading.model_requested) == ("gcp.vertex_ai", FLASH)
    assert one.reading.context["region"] == LOCATION
    assert metered.observed == metered.billed


def test_an_endpoint_and_a_tuned_model_keep_their_names(metered: Metered) -> None:
    endpoint = f"projects/p/locations/{LOCATION}/endpoints/123"
    metered.standin.script.next(Answer(model="gemini-2.5-flash-tuned"))
    metered.vertex().models.generate_content(model=endpoint, contents="hi")
    metered.client().models.generate_content(model="tunedModels/mine", contents="hi")
    asked = [one.reading.model_requested for one in metered.observations]
    assert asked == [endpoint, "tunedModels/mine"]
    assert metered.observations[0].reading.model_returned == "gemini-2.5-flash-tuned"


def test_embeddings_whose_tokens_nobody_reports_are_unknown(metered: Metered) -> None:
    metered.client().models.embed_content(model="gemini-embedding-001", contents=TEXTS)
    (one,) = metered.observations
    assert (one.reading.operation, one.reading.usage.quality) == ("embeddings", "unknown")
    assert (one.cost.status, one.cost.reason) == ("unpriced", "missing_usage")


def test_embeddings_of_vertex_count_each_text(metered: Metered) -> None:
    metered.vertex().models.embed_content(model="text-embedding-005", contents=TEXTS)
    assert metered.observed == metered.billed
    assert metered.observations[0].reading.operation == "embeddings"


def test_embeddings_that_report_usage(metered: Metered) -> None:
    metered.standin.script.next(Answer(Usage(17), options={"embedding_usage": True}))
    metered.vertex().models.embed_content(model="gemini-embedding-2", contents="a")
    assert metered.observed == metered.billed == [{"input_tokens": 17}]


@pytest.mark.filterwarnings("ignore:The generate_images method is deprecated")
def test_images_that_were_made(metered: Metered) -> None:
    metered.standin.script.next(Answer(Usage(images=3), options={"withheld": 1}))
    metered.vertex().models.generate_images(model="imagen-4.0-generate-001", prompt="a cat")
    assert metered.observed == metered.billed == [{"images": 3}]


def test_a_video_is_a_call_of_which_nobody_says_what_it_uses(metered: Metered) -> None:
    metered.vertex().models.generate_videos(
        model="veo-3.0-generate-001", source=types.GenerateVideosSource(prompt="a cat")
    )
    (one,) = metered.observations
    assert one.reading.response_id == metered.standin.bills[0]["response_id"]
    assert (one.cost.status, one.cost.reason) == ("unpriced", "missing_usage")


def test_counting_tokens_is_no_call(metered: Metered) -> None:
    metered.client().models.count_tokens(model=FLASH, contents="hi")
    assert not metered.spans


def test_a_refusal_costs_nothing(metered: Metered) -> None:
    metered.standin.script.next(Answer(status=500))
    with pytest.raises(errors.ServerError):
        _plain(metered)
    assert metered.only["http.response.status_code"] == 500
    (one,) = metered.observations
    assert (one.cost.status, one.cost.total) == ("priced", 0)


def test_a_question_that_is_blocked_is_whole(metered: Metered) -> None:
    answer = Answer(Usage(100), options={"block_reason": "SAFETY"})
    metered.standin.script.next(answer)
    _plain(metered)
    assert metered.observed == metered.billed


def test_attempts_are_counted(metered: Metered) -> None:
    retry = types.HttpRetryOptions(attempts=3, initial_delay=0.001, jitter=0)
    refusals = (Answer(status=429), Answer(status=503))
    metered.standin.script.next(*refusals, Answer(), *refusals, Answer())
    client = metered.client(retry_options=retry)
    client.models.generate_content(model=FLASH, contents="hi")

    async def tried() -> None:
        async with client.aio as own:
            await own.models.generate_content(model=FLASH, contents="hi")

    asyncio.run(tried())
    for span in metered.spans:
        attributes = dict(span.attributes or {})
        assert attributes["genai_cost.attempts"] == 3
        assert attributes["genai_cost.attempt_statuses"] == (429, 503, 200)
    assert metered.observed == metered.billed


def test_what_never_left_is_no_call(metered: Metered) -> None:
    client = metered.client()
    for port in (9, "x"):
        options = types.HttpOptions(base_url=f"http://127.0.0.1:{port}")
        config = types.GenerateContentConfig(http_options=options)
        with pytest.raises(Exception, match=r"refused|port"):
            client.models.generate_content(model=FLASH, contents="hi", config=config)
    assert not metered.observations


def test_a_time_out_is_unknown_with_bounds(metered: Metered) -> None:
    metered.standin.script.next(Answer(delay_s=1))
    options = types.GenerateContentConfig(
        http_options=types.HttpOptions(timeout=100), max_output_tokens=50
    )
    with pytest.raises(Exception, match="timed out"):
        metered.client().models.generate_content(model=FLASH, contents="hello", config=options)
    (one,) = metered.observations
    usage = one.reading.usage
    assert (usage.quality, usage.high) == ("unknown", {"input": 1_229, "output": 50})
    assert one.cost.status == "unpriced"


def test_a_picture_has_no_size_in_text(metered: Metered) -> None:
    metered.standin.script.next(Answer(delay_s=1))
    options = types.GenerateContentConfig(
        http_options=types.HttpOptions(timeout=100), max_output_tokens=50
    )
    asked: Any = ["what is it?", types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")]
    with pytest.raises(Exception, match="timed out"):
        metered.client().models.generate_content(model=FLASH, contents=asked, config=options)
    assert "genai_cost.estimate.input_tokens" not in metered.only
    assert metered.only["genai_cost.estimate.output_tokens"] == (0, 0, 50)
