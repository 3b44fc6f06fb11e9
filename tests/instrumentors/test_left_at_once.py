"""A stream that is left before any of it came: its input is likely, or nothing is, and the output never a zero."""

from __future__ import annotations

from typing import Any, Final

import openai
import pytest

from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder
from tests.usage.recorded import span_with

_PICTURE: Final[Any] = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    ("content", "likely", "status", "reason"),
    [
        ("hello there", {"input": 3}, "priced", None),
        ([_PICTURE], {}, "unpriced", "unfinished"),
    ],
)
def test_what_is_known_is_priced_and_nothing_else(
    standin: OpenAIStandIn,
    recorder: Recorder,
    content: Any,
    likely: dict[str, int],
    status: str,
    reason: str | None,
) -> None:
    with openai.OpenAI(base_url=standin.url, api_key="k") as client:
        messages: Any = [{"role": "user", "content": content}]
        client.chat.completions.create(
            model="gpt-4o", messages=messages, max_tokens=50, stream=True
        ).close()
    drain()
    span = span_with(recorder.only, scope="otel_genai_instrumentors.openai")
    [found] = meter(span, CallProfiles(load_book()), lambda _: Attribution())
    assert (found.cost.status, found.cost.reason) == (status, reason)
    usage = found.reading.usage
    assert dict(usage.leaves) == likely
    assert usage.low is not None and usage.high is not None
    assert (usage.low["output"], usage.high["output"]) == (0, 50)
