"""Gemini's Interactions API, whose client in `google-genai` is another one."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import pytest

from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin.script import Answer, Usage
from tests.instrumentors.google.conftest import Metered, counted

PRO = "gemini-3-pro-preview"
_ANSWER = Answer(
    Usage(347, 158, 131, reasoning_tokens=61, input_audio_tokens=47, web_searches=2),
    options={"tool_use_tokens": 11},
)


def _plain(metered: Metered) -> None:
    metered.client().interactions.create(model=PRO, input="hi")


def _streamed(metered: Metered) -> None:
    stream: Any = metered.client().interactions.create(model=PRO, input="hi", stream=True)
    assert [event.event_type for event in stream][-1] == "interaction.completed"


def _raw(metered: Metered) -> None:
    metered.client().interactions.with_raw_response.create(model=PRO, input="hi")


async def _async(metered: Metered, *, stream: bool) -> None:
    async with metered.client().aio as client:
        answer: Any = await client.interactions.create(model=PRO, input="hi", stream=stream)
        if stream:
            assert [event async for event in answer]


WAYS: dict[str, Callable[[Metered], Any]] = {
    "plain": _plain,
    "streamed": _streamed,
    "raw": _raw,
    "async": lambda metered: asyncio.run(_async(metered, stream=False)),
    "async streamed": lambda metered: asyncio.run(_async(metered, stream=True)),
}


@pytest.mark.parametrize("way", WAYS)
def test_usage_is_what_is_billed(metered: Metered, way: str) -> None:
    metered.standin.script.next(_ANSWER)
    WAYS[way](metered)
    assert metered.observed == metered.billed
    (one,) = metered.observations
    assert (one.reading.model_requested, one.reading.provider) == (PRO, "gcp.gemini")
    assert one.reading.usage.quality == "reported"


def test_one_in_the_background_is_charged_by_what_its_polls_say(metered: Metered) -> None:
    metered.standin.script.next(_ANSWER)
    client = metered.client()
    begun: Any = client.interactions.create(model=PRO, input="hi", background=True)
    for _ in range(2):
        client.interactions.get(begun.id)
    (charge,) = settle(metered.observations).verdicts
    assert [counted(charge.richest.reading.usage)] == metered.billed


def test_a_refusal_costs_nothing(metered: Metered) -> None:
    metered.standin.script.next(Answer(status=400))
    with pytest.raises(Exception, match="asked to fail"):
        _plain(metered)
    (one,) = metered.observations
    assert (one.reading.error, one.cost.total) == ("400", 0)


def test_a_stream_that_is_left(metered: Metered) -> None:
    text = " ".join(["word"] * 200)
    metered.standin.script.next(_ANSWER._replace(text=text, part_delay_s=0.01))
    stream: Any = metered.client().interactions.create(model=PRO, input="hi", stream=True)
    next(iter(stream))
    del stream
    gc.collect()
    (one,) = metered.observations
    assert (one.reading.error, one.reading.usage.quality) == ("unfinished", "estimated")


def test_searches_are_billed_by_the_prompt_before_gemini_3(metered: Metered) -> None:
    metered.standin.script.next(_ANSWER)
    metered.client().interactions.create(model="gemini-2.5-flash", input="hi")
    assert metered.observed[0]["web_searches"] == 1
