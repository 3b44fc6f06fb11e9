"""Beside another instrumentation: a call is charged once and never poorer than without it, and whoever only wraps the
client, or tells somebody else, changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import AsyncCompletions, Completions
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost.shared_calls import answered_here
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.instrumentors.conftest import Beside
from tests.instrumentors.sharing import ASKED, START, WATCHED, Other, call, scopes


@pytest.mark.parametrize("current", [True, False], ids=["current", "beside"])
@pytest.mark.parametrize("tells", [True, False], ids=["another usage", "no usage"])
def test_one_span_is_shown_and_one_call_charged_by_the_richest_reading(
    beside: Beside, wrap: Any, standin: OpenAIStandIn, current: bool, tells: bool
) -> None:
    other = Other(beside.recorder.provider, current=current)
    other.tells = tells
    wrap(Completions, other.wrapper)
    answer = call(standin)
    assert scopes(beside.spans) == [WATCHED]
    [charge] = beside.charged
    assert charge.richest.reading.usage.input_total == answer.usage.prompt_tokens
    assert charge.richest.reading.response_id == answer.id
    shown = dict(beside.spans[0].attributes or {})
    assert shown["genai_cost.status"] == "priced"
    assert shown["genai_cost.total"] == charge.cost.total_text
    assert shown["genai_cost.charge_id"] == charge.charge_id


@pytest.mark.usefixtures("asked")
def test_a_stream_of_which_the_other_tells_nothing_is_charged(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    wrap(Completions, Other(beside.recorder.provider).wrapper)
    call(standin, stream=True)
    assert scopes(beside.spans) == [WATCHED]
    [charge] = beside.charged
    assert charge.cost.status == "priced" and charge.richest.reading.usage.output_total
    assert (beside.spans[0].attributes or {})["genai_cost.total"] == charge.cost.total_text


def test_calls_side_by_side_are_each_charged_once(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    wrap(AsyncCompletions, Other(beside.recorder.provider).async_wrapper)

    async def both() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            await asyncio.gather(*(client.chat.completions.create(**ASKED) for _ in range(5)))

    asyncio.run(both())
    assert scopes(beside.spans) == [WATCHED] * 5
    assert len({charge.richest.reading.response_id for charge in beside.charged}) == 5
    assert len(beside.charged) == 5


def test_a_second_call_below_the_others_span_is_another_call(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = Other(beside.recorder.provider)
    other.times = 2
    wrap(Completions, other.wrapper)
    call(standin)
    assert len(beside.spans) == 2 and len(beside.charged) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda other: setattr(other, "model", "gpt-4o-mini"),
        lambda other: setattr(other, "tracer", TracerProvider().get_tracer(WATCHED)),
        lambda other: setattr(other, "tracer", trace.NoOpTracer()),
    ],
    ids=["another model", "a provider that nobody meters", "switched off"],
)
def test_a_call_that_nobody_else_tells_us_of_is_ours(
    beside: Beside, wrap: Any, standin: OpenAIStandIn, change: Callable[[Other], None]
) -> None:
    other = Other(beside.recorder.provider)
    change(other)
    wrap(Completions, other.wrapper)
    answer = call(standin)
    ours = [s for s in beside.spans if (s.attributes or {}).get("gen_ai.response.id") == answer.id]
    assert len(ours) == 1
    assert [c.richest.reading.response_id for c in beside.charged].count(answer.id) == 1


def test_a_guard_changes_nothing_and_what_it_refuses_is_no_call(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    def guard(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        if kwargs.get("user") == "banned":
            raise PermissionError
        return wrapped(*args, **kwargs)

    wrap(Completions, guard)
    with pytest.raises(PermissionError):
        call(standin, user="banned")
    answer = call(standin)
    assert [charge.richest.reading.response_id for charge in beside.charged] == [answer.id]
    assert len(beside.spans) == 1


def test_a_model_may_be_named_with_its_place(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = Other(beside.recorder.provider)
    other.model = "models/gpt-4o"
    wrap(Completions, other.wrapper)
    call(standin)
    assert len(beside.charged) == 1
    assert scopes(beside.spans) == [WATCHED]


@pytest.mark.parametrize("key", ["gen_ai.response.id", "litellm.call_id"])
def test_a_span_that_is_written_later_of_what_a_library_made_up_is_no_call(
    beside: Beside, key: str
) -> None:
    answered_here("made-up", None)
    tracer = beside.recorder.provider.get_tracer("litellm")
    for one in ("made-up", "another"):
        usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 20, key: one}
        asked = {**START, "gen_ai.request.model": "gpt-4o", **usage}
        tracer.start_span("litellm_request", attributes=asked).end()
    assert len(beside.charged) == 1


def test_a_span_whose_id_is_no_text_is_metered_all_the_same(beside: Beside) -> None:
    answered_here("made-up")
    tracer = beside.recorder.provider.get_tracer("litellm")
    usage = {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 20}
    asked: dict[str, Any] = {**START, **usage, "gen_ai.response.id": {"a": ["b"]}}
    tracer.start_span("x", attributes=asked).end()
    assert len(beside.charged) == 1


def test_a_stream_that_is_still_open_when_the_others_give_it_up_is_one_call(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    tracer = beside.recorder.provider.get_tracer(WATCHED)

    def given_up(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = tracer.start_span("x", attributes=START)
        with trace.use_span(span):
            stream = wrapped(*args, **kwargs)
        span.set_attribute("error.type", "KeyError")
        span.set_status(trace.StatusCode.ERROR)
        span.end()
        return stream

    wrap(Completions, given_up)
    client = openai.OpenAI(base_url=standin.url, api_key="k")
    with client, client.chat.completions.create(**ASKED, stream=True) as stream:
        next(stream)
    [charge] = beside.charged
    assert charge.richest.reading.error == "unfinished"


def test_a_gateways_name_of_the_model_is_the_models(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = Other(beside.recorder.provider)
    other.model = "openai/gpt-4o"
    wrap(Completions, other.wrapper)
    call(standin)
    assert scopes(beside.spans) == [WATCHED]
    assert len(beside.charged) == 1


def test_what_a_library_answers_itself_is_no_call_whatever_the_others_tell(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = Other(beside.recorder.provider)
    other.tells = True
    wrap(Completions, other.wrapper)
    answer = call(standin)

    def cached(*_: Any, **__: Any) -> Any:
        answered_here()
        return answer

    other.wrapper(cached, None, (), {})
    assert scopes(beside.spans) == [WATCHED] * 2
    [charge] = beside.charged
    assert charge.richest.reading.response_id == answer.id


@pytest.mark.parametrize("kind", ["CHAT_MODEL", "CHAIN"])
def test_one_that_tells_nothing_around_another_is_no_further_call(
    beside: Beside, wrap: Any, standin: OpenAIStandIn, kind: str
) -> None:
    """MLflow's span is nobody's parent, and ends once a stream is read."""
    tracer = beside.recorder.provider.get_tracer("mlflow.tracing.provider")

    def traced(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = tracer.start_span("Completions")
        span.set_attribute("mlflow.spanType", f'"{kind}"')
        span.set_attribute("mlflow.llm.model", '"gpt-4o"')
        try:
            return wrapped(*args, **kwargs)
        finally:
            span.end()

    def marked(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        """It marks the spans of others, too."""
        trace.get_current_span().set_attribute("mlflow.spanType", "null")
        return wrapped(*args, **kwargs)

    wrap(Completions, marked)
    wrap(Completions, Other(beside.recorder.provider).wrapper)
    wrap(Completions, traced)
    call(standin)
    assert len(beside.spans) == 2
    assert len(beside.charged) == 1


def test_a_span_of_something_else_is_not_stood_beside(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    """An application's own functions, traced by MLflow."""
    tracer = beside.recorder.provider.get_tracer("mlflow.tracing.provider")
    with tracer.start_as_current_span("answer", attributes={"mlflow.spanType": '"CHAIN"'}):
        answer = call(standin)
    assert "otel_genai_instrumentors.openai" in scopes(beside.spans)
    assert [charge.richest.reading.response_id for charge in beside.charged] == [answer.id]
