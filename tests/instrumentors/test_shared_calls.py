"""Beside another instrumentation: a call is charged once and never poorer than without it, and whoever only wraps the
client, or tells somebody else, changes nothing."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import wrapt
from openai.resources.chat.completions import AsyncCompletions, Completions
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import SpanKind

from otel_genai_cost import attach
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.shared_calls import answered_here
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

_ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
_WATCHED = "opentelemetry.instrumentation.openai.v1"
_START = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai"}


class _Other:
    """Another instrumentation of the client: its spans tell the model, and usage only if `tells`."""

    def __init__(
        self, provider: TracerProvider, *, current: bool = True, scope: str = _WATCHED
    ) -> None:
        self.tracer = provider.get_tracer(scope, "0.62.4")
        self.current, self.tells, self.model, self.times = current, False, "gpt-4o", 1

    def wrapper(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = self._begin()
        try:
            with trace.use_span(span if self.current else trace.get_current_span()):
                result = [wrapped(*args, **kwargs) for _ in range(self.times)][-1]
            return self._parts(span, result) if kwargs.get("stream") else self._told(span, result)
        finally:
            if not kwargs.get("stream"):
                span.end()

    async def async_wrapper(self, wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = self._begin()
        with trace.use_span(span, end_on_exit=True):
            return self._told(span, await wrapped(*args, **kwargs))

    def _begin(self) -> trace.Span:
        attributes = {**_START, "gen_ai.request.model": self.model}
        return self.tracer.start_span("openai.chat", kind=SpanKind.CLIENT, attributes=attributes)

    def _told(self, span: trace.Span, result: Any) -> Any:
        if self.tells:
            span.set_attribute("gen_ai.response.model", result.model)
            span.set_attribute("gen_ai.usage.input_tokens", result.usage.prompt_tokens + 1_000)
            span.set_attribute("gen_ai.usage.output_tokens", result.usage.completion_tokens)
        return result

    def _parts(self, span: trace.Span, stream: Any) -> Iterator[Any]:
        yield from stream
        span.end()


class _Beside:
    """A metered provider, what it exports and what is charged."""

    def __init__(self, folder: Path) -> None:
        self.recorder, self._journal = Recorder(), folder / "journal"
        attach(
            self.recorder.provider,
            journal=self._journal,
            quiet=True,
            stream_usage_hosts="127.0.0.1",
        )

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        return self.recorder.spans

    @property
    def observations(self) -> list[Observation]:
        return observations_in(self._journal)

    @property
    def charged(self) -> tuple[Verdict, ...]:
        return settle(self.observations).verdicts


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[_Beside]:
    metered = _Beside(tmp_path)
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=metered.recorder.provider)
    yield metered
    instrumentor.uninstrument()


@pytest.fixture
def wrap() -> Iterator[Callable[[Any, Any], None]]:
    with pytest.MonkeyPatch.context() as patch:

        def wrapping(owner: Any, wrapper: Any, name: str = "create") -> None:
            patch.setattr(owner, name, wrapt.FunctionWrapper(getattr(owner, name), wrapper))

        yield wrapping


def _call(standin: OpenAIStandIn, **more: Any) -> Any:
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        answer = client.chat.completions.create(**{**_ASKED, **more})
        return list(answer) if more.get("stream") else answer


def _scopes(spans: tuple[ReadableSpan, ...]) -> list[str]:
    return [span.instrumentation_scope.name for span in spans if span.instrumentation_scope]


@pytest.mark.parametrize("current", [True, False], ids=["current", "beside"])
@pytest.mark.parametrize("tells", [True, False], ids=["another usage", "no usage"])
def test_one_span_is_shown_and_one_call_charged_by_the_richest_reading(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn, current: bool, tells: bool
) -> None:
    other = _Other(beside.recorder.provider, current=current)
    other.tells = tells
    wrap(Completions, other.wrapper)
    answer = _call(standin)
    assert _scopes(beside.spans) == [_WATCHED]
    [charge] = beside.charged
    assert charge.richest.reading.usage.input_total == answer.usage.prompt_tokens
    assert charge.richest.reading.response_id == answer.id
    shown = dict(beside.spans[0].attributes or {})
    assert shown["genai_cost.status"] == "priced"
    assert shown["genai_cost.total"] == charge.cost.total_text
    assert shown["genai_cost.charge_id"] == charge.charge_id


@pytest.mark.usefixtures("asked")
def test_a_stream_of_which_the_other_tells_nothing_is_charged(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    wrap(Completions, _Other(beside.recorder.provider).wrapper)
    _call(standin, stream=True)
    assert _scopes(beside.spans) == [_WATCHED]
    [charge] = beside.charged
    assert charge.cost.status == "priced" and charge.richest.reading.usage.output_total
    assert (beside.spans[0].attributes or {})["genai_cost.total"] == charge.cost.total_text


def test_calls_side_by_side_are_each_charged_once(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    wrap(AsyncCompletions, _Other(beside.recorder.provider).async_wrapper)

    async def both() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            await asyncio.gather(*(client.chat.completions.create(**_ASKED) for _ in range(5)))

    asyncio.run(both())
    assert _scopes(beside.spans) == [_WATCHED] * 5
    assert len({charge.richest.reading.response_id for charge in beside.charged}) == 5
    assert len(beside.charged) == 5


def test_a_second_call_below_the_others_span_is_another_call(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = _Other(beside.recorder.provider)
    other.times = 2
    wrap(Completions, other.wrapper)
    _call(standin)
    assert len(beside.spans) == 2 and len(beside.charged) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda other: setattr(other, "model", "gpt-4o-mini"),
        lambda other: setattr(other, "tracer", TracerProvider().get_tracer(_WATCHED)),
        lambda other: setattr(other, "tracer", trace.NoOpTracer()),
    ],
    ids=["another model", "a provider that nobody meters", "switched off"],
)
def test_a_call_that_nobody_else_tells_us_of_is_ours(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn, change: Callable[[_Other], None]
) -> None:
    other = _Other(beside.recorder.provider)
    change(other)
    wrap(Completions, other.wrapper)
    answer = _call(standin)
    ours = [s for s in beside.spans if (s.attributes or {}).get("gen_ai.response.id") == answer.id]
    assert len(ours) == 1
    assert [c.richest.reading.response_id for c in beside.charged].count(answer.id) == 1


def test_a_guard_changes_nothing_and_what_it_refuses_is_no_call(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    def guard(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        if kwargs.get("user") == "banned":
            raise PermissionError
        return wrapped(*args, **kwargs)

    wrap(Completions, guard)
    with pytest.raises(PermissionError):
        _call(standin, user="banned")
    answer = _call(standin)
    assert [charge.richest.reading.response_id for charge in beside.charged] == [answer.id]
    assert len(beside.spans) == 1


def test_a_model_may_be_named_with_its_place(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = _Other(beside.recorder.provider)
    other.model = "models/gpt-4o"
    wrap(Completions, other.wrapper)
    _call(standin)
    assert len(beside.charged) == 1
    assert _scopes(beside.spans) == [_WATCHED]


def test_an_error_is_told_once(beside: _Beside, wrap: Any, standin: OpenAIStandIn) -> None:
    wrap(Completions, _Other(beside.recorder.provider).wrapper)
    with pytest.raises(openai.InternalServerError):
        _call(standin, messages=[{"role": "user", "content": "[500]"}])
    [charge] = beside.charged
    assert charge.richest.reading.error == "500"
    assert charge.cost.total == 0 and _scopes(beside.spans) == [_WATCHED]


@pytest.mark.parametrize("model", ["gpt-4o", ""], ids=["a model", "no model"])
def test_what_never_left_is_no_call_of_the_others_either(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn, model: str
) -> None:
    other = _Other(beside.recorder.provider)
    other.model = model
    wrap(Completions, other.wrapper)
    with pytest.raises(TypeError):
        _call(standin, no_such_argument=True)
    assert beside.charged == ()
    assert _scopes(beside.spans) == [_WATCHED]


@pytest.mark.parametrize(
    ("leaves", "charged"),
    [(False, 0), (True, 1)],
    ids=["refused connection", "refused by the server"],
)
def test_a_span_of_the_others_below_ours_is_a_call_if_it_left(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn, leaves: bool, charged: int
) -> None:
    """OpenInference wraps what the client's methods send by."""

    def sent(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = beside.recorder.provider.get_tracer(_WATCHED).start_span("x", attributes=_START)
        with trace.use_span(span, end_on_exit=True):
            return wrapped(*args, **kwargs)

    wrap(openai.OpenAI, sent, "request")
    asked: dict[str, Any] = _ASKED
    if leaves:
        asked = {**_ASKED, "messages": [{"role": "user", "content": "[500]"}]}
    url = standin.url if leaves else f"http://127.0.0.1:{_free_port()}"
    with (
        openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIError),
    ):
        client.chat.completions.create(**asked)
    assert len(beside.spans) == 2
    assert len(beside.charged) == charged


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_stream_that_is_still_open_when_the_others_give_it_up_is_one_call(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    tracer = beside.recorder.provider.get_tracer(_WATCHED)

    def given_up(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = tracer.start_span("x", attributes=_START)
        with trace.use_span(span):
            stream = wrapped(*args, **kwargs)
        span.set_attribute("error.type", "KeyError")
        span.set_status(trace.StatusCode.ERROR)
        span.end()
        return stream

    wrap(Completions, given_up)
    client = openai.OpenAI(base_url=standin.url, api_key="k")
    with client, client.chat.completions.create(**_ASKED, stream=True) as stream:
        next(stream)
    [charge] = beside.charged
    assert charge.richest.reading.error == "unfinished"


def test_a_gateways_name_of_the_model_is_the_models(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = _Other(beside.recorder.provider)
    other.model = "openai/gpt-4o"
    wrap(Completions, other.wrapper)
    _call(standin)
    assert _scopes(beside.spans) == [_WATCHED]
    assert len(beside.charged) == 1


def test_what_a_library_answers_itself_is_no_call_whatever_the_others_tell(
    beside: _Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    other = _Other(beside.recorder.provider)
    other.tells = True
    wrap(Completions, other.wrapper)
    answer = _call(standin)

    def cached(*_: Any, **__: Any) -> Any:
        answered_here()
        return answer

    other.wrapper(cached, None, (), {})
    assert _scopes(beside.spans) == [_WATCHED] * 2
    [charge] = beside.charged
    assert charge.richest.reading.response_id == answer.id
