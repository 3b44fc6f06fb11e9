"""Beside another instrumentation, what failed is charged once, and what was never sent is not."""

from __future__ import annotations

import socket
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import Completions
from opentelemetry import trace

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.instrumentors.conftest import Beside
from tests.instrumentors.sharing import ASKED, START, WATCHED, Other, call, scopes


def test_an_error_is_told_once(beside: Beside, wrap: Any, standin: OpenAIStandIn) -> None:
    wrap(Completions, Other(beside.recorder.provider).wrapper)
    with pytest.raises(openai.InternalServerError):
        call(standin, messages=[{"role": "user", "content": "[500]"}])
    [charge] = beside.charged
    assert charge.richest.reading.error == "500"
    assert charge.cost.total == 0 and scopes(beside.spans) == [WATCHED]


@pytest.mark.parametrize("model", ["gpt-4o", ""], ids=["a model", "no model"])
def test_what_never_left_is_no_call_of_the_others_either(
    beside: Beside, wrap: Any, standin: OpenAIStandIn, model: str
) -> None:
    other = Other(beside.recorder.provider)
    other.model = model
    wrap(Completions, other.wrapper)
    with pytest.raises(TypeError):
        call(standin, no_such_argument=True)
    assert beside.charged == ()
    assert scopes(beside.spans) == [WATCHED]


@pytest.mark.parametrize(
    ("leaves", "charged"),
    [(False, 0), (True, 1)],
    ids=["refused connection", "refused by the server"],
)
def test_a_span_of_the_others_below_ours_is_a_call_if_it_left(
    beside: Beside, wrap: Any, standin: OpenAIStandIn, leaves: bool, charged: int
) -> None:
    """OpenInference wraps what the client's methods send by."""

    def sent(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        span = beside.recorder.provider.get_tracer(WATCHED).start_span("x", attributes=START)
        with trace.use_span(span, end_on_exit=True):
            return wrapped(*args, **kwargs)

    wrap(openai.OpenAI, sent, "request")
    asked: dict[str, Any] = ASKED
    if leaves:
        asked = {**ASKED, "messages": [{"role": "user", "content": "[500]"}]}
    url = standin.url if leaves else f"http://127.0.0.1:{_free_port()}"
    with (
        openai.OpenAI(base_url=url, api_key="k", max_retries=0) as client,
        pytest.raises(openai.APIError),
    ):
        client.chat.completions.create(**asked)
    assert len(beside.spans) == 2
    assert len(beside.charged) == charged


def test_a_failed_request_that_the_client_traces_itself_is_no_further_call(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    """Mistral's own tracer has a span for each request, below that of whoever wraps the client's methods."""

    def sent(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        asked = {**START, "gen_ai.request.model": "gpt-4o"}
        span = beside.recorder.provider.get_tracer(WATCHED).start_span("x", attributes=asked)
        with trace.use_span(span, end_on_exit=True):
            return wrapped(*args, **kwargs)

    wrap(Completions, Other(beside.recorder.provider).wrapper)
    wrap(openai.OpenAI, sent, "request")
    with pytest.raises(openai.InternalServerError):
        call(standin, messages=[{"role": "user", "content": "[500]"}])
    assert scopes(beside.spans) == [WATCHED] * 2
    [charge] = beside.charged
    assert charge.richest.reading.error == "500"


def test_what_fails_as_it_is_tried_again_is_no_call_if_none_is_seen(
    beside: Beside, wrap: Any, standin: OpenAIStandIn
) -> None:
    """LiteLLM tries again by a function that is traced like the first, and that may lack what it needs."""
    other = Other(beside.recorder.provider)

    def lacks(*_: Any, **__: Any) -> Any:
        raise ImportError("tenacity")

    def tries_again(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        try:
            return wrapped(*args, **kwargs)
        except openai.InternalServerError:
            other.wrapper(lacks, None, (), {})

    wrap(Completions, tries_again)
    wrap(Completions, other.wrapper)
    with pytest.raises(ImportError):
        call(standin, messages=[{"role": "user", "content": "[500]"}])
    assert scopes(beside.spans) == [WATCHED] * 2
    [charge] = beside.charged
    assert charge.richest.reading.error == "500"


def test_a_call_for_no_model_is_not_one_for_the_model_that_others_make_up(
    beside: Beside, wrap: Any
) -> None:
    """OpenLIT names one that was not asked for."""
    wrap(Completions, Other(beside.recorder.provider).wrapper)
    asked: dict[str, Any] = {"messages": ASKED["messages"]}
    with openai.OpenAI(api_key="k") as client, pytest.raises(TypeError):
        client.chat.completions.create(**asked)
    assert scopes(beside.spans) == [WATCHED]
    assert beside.charged == ()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
