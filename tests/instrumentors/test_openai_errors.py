"""What of a failed call is told: whether it left, how often it was tried, what it used. Never what was said in it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel, ValidationError

from otel_genai_cost import errors
from otel_genai_cost.tenancy import egress
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors import stainless
from otel_genai_instrumentors.attempts import Attempts, never_left
from tests.instrumentors.conftest import Recorder

ASK: list[Any] = [{"role": "user", "content": "a secret of theirs"}]


class _Answer(BaseModel):
    answer: str


@pytest.fixture
def client(standin: OpenAIStandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _asked(word: str) -> list[Any]:
    return [{"role": "user", "content": f"[{word}] a secret of theirs"}]


@pytest.mark.parametrize(
    ("word", "error"),
    [
        ("length", openai.LengthFinishReasonError),
        ("filter", openai.ContentFilterFinishReasonError),
        ("badjson", ValidationError),
    ],
)
def test_an_answer_that_is_no_use_is_billed(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn, word: str, error: Any
) -> None:
    with pytest.raises(error):
        client.chat.completions.parse(
            model="gpt-4o", messages=_asked(word), response_format=_Answer
        )
    told = standin.bills[-1]["usage"]
    assert recorder.only["gen_ai.usage.input_tokens"] == told["input_tokens"]
    assert recorder.only["gen_ai.usage.output_tokens"] == told["output_tokens"]
    assert recorder.only["error.type"].endswith(error.__qualname__)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wrong_arguments(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o")  # type: ignore[call-overload]


def _unserialisable(client: openai.OpenAI) -> None:
    client.chat.completions.create(model="gpt-4o", messages=[object()])  # type: ignore[list-item]


def _refused(client: openai.OpenAI) -> None:
    url = f"http://127.0.0.1:{_free_port()}/v1"
    client.with_options(base_url=url, max_retries=1).embeddings.create(model="e", input="x")


def _unknown_host(client: openai.OpenAI) -> None:
    client.with_options(base_url="http://nobody.invalid/v1").embeddings.create(model="e", input="x")


def _no_protocol(client: openai.OpenAI) -> None:
    client.with_options(base_url="nothing://x/v1").embeddings.create(model="e", input="x")


def _closed_client(client: openai.OpenAI) -> None:
    client.close()
    client.embeddings.create(model="e", input="x")


def _no_key(client: openai.OpenAI) -> None:
    def key() -> str:
        raise LookupError("the vault is sealed")

    openai.OpenAI(base_url=client.base_url, api_key=key).embeddings.create(model="e", input="x")


@pytest.mark.parametrize(
    "call",
    [
        *(_wrong_arguments, _unserialisable, _refused, _unknown_host),
        *(_no_protocol, _closed_client, _no_key),
    ],
)
def test_a_request_that_never_left_says_so(
    client: openai.OpenAI, recorder: Recorder, call: Callable[[openai.OpenAI], None]
) -> None:
    with pytest.raises(Exception):  # noqa: B017 -- the client's, whichever it is
        call(client)
    assert recorder.only["genai_cost.request.sent"] is False
    assert not any(name.startswith("gen_ai.usage.") for name in recorder.only)


def test_an_async_request_that_never_left_says_so(recorder: Recorder) -> None:
    async def call() -> None:
        url = f"http://127.0.0.1:{_free_port()}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="k", max_retries=1) as client:
            with pytest.raises(openai.APIConnectionError):
                await client.embeddings.create(model="e", input="x")

    asyncio.run(call())
    assert recorder.only["genai_cost.request.sent"] is False


def test_a_request_that_timed_out_was_sent(client: openai.OpenAI, recorder: Recorder) -> None:
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.1).chat.completions.create(
            model="gpt-4o", messages=_asked("hang")
        )
    assert "genai_cost.request.sent" not in recorder.only
    assert recorder.only["error.type"] == "openai.APITimeoutError"


def test_a_time_out_that_was_tried_again_leaves_a_sign(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    patient = client.with_options(timeout=0.25, max_retries=2)
    answer = patient.chat.completions.create(model="gpt-4o", messages=_asked("hangonce"))
    assert answer.usage is not None
    assert recorder.only["genai_cost.attempts"] == 2
    assert recorder.only["genai_cost.attempts_unanswered"] == 1


def test_an_async_time_out_that_was_tried_again_leaves_a_sign(
    standin: OpenAIStandIn, recorder: Recorder
) -> None:
    async def call() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k", timeout=0.25) as client:
            await client.chat.completions.create(model="gpt-4o", messages=_asked("hangonce"))

    asyncio.run(call())
    assert recorder.only["genai_cost.attempts"] == 2
    assert recorder.only["genai_cost.attempts_unanswered"] == 1


def test_a_refusal_that_was_tried_again_was_answered(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    client.with_options(max_retries=2).chat.completions.create(
        model="gpt-4o", messages=_asked("429")
    )
    assert recorder.only["genai_cost.attempts"] == 2
    assert "genai_cost.attempts_unanswered" not in recorder.only


def test_nothing_said_is_on_the_span_of_an_error(client: openai.OpenAI, recorder: Recorder) -> None:
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model="gpt-4o", messages=_asked("500"))
    (span,) = recorder.spans
    assert span.status.description is None
    assert recorder.only["http.response.status_code"] == 500
    assert "secret" not in span.to_json() and "asked to fail" not in span.to_json()


def test_unless_the_application_keeps_content(client: openai.OpenAI, recorder: Recorder) -> None:
    egress.configure((), keep_content=True)
    try:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(model="gpt-4o", messages=_asked("500"))
    finally:
        egress.configure(())
    assert "asked to fail" in (recorder.spans[0].status.description or "")


def test_what_is_not_given_is_not_on_the_span(client: openai.OpenAI, recorder: Recorder) -> None:
    nothing: Any = openai.omit
    with pytest.raises(openai.APIError):
        client.chat.completions.create(
            model=nothing, messages=_asked("500"), service_tier=nothing, stream=nothing
        )
    (span,) = recorder.spans
    assert span.name == "chat"
    assert not {"gen_ai.request.model", "openai.request.service_tier"} & recorder.only.keys()


def test_a_failure_of_ours_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    @errors.guarded("instrumentor.test", None)
    def fail() -> None:
        raise ValueError("a secret of theirs")

    with caplog.at_level(logging.ERROR):
        fail()
    assert "ValueError at test_openai_errors.py:" in caplog.text
    assert "secret" not in caplog.text


def test_a_call_that_cannot_be_traced_is_made_all_the_same(
    client: openai.OpenAI, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("a bug")

    errors.failures.clear()
    monkeypatch.setattr("opentelemetry.sdk.trace.Tracer.start_span", broken)
    assert client.chat.completions.create(model="gpt-4o", messages=ASK).id
    assert errors.failures["instrumentor.begin"] == 2  # of the call, and of the client's own post


def test_without_the_clients_inner_names_nothing_is_taken_for_unsent(
    client: openai.OpenAI, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stainless, "_BUILD", "_no_such_name")
    with pytest.raises(TypeError):
        _wrong_arguments(client)
    assert "genai_cost.request.sent" not in recorder.only


def test_attempts_are_judged_by_what_ended_them() -> None:
    attempts = Attempts()
    for error in (ConnectionRefusedError(), TimeoutError(), None):
        attempts.made()
        attempts.given_up(error)
    assert (attempts.sent, attempts.unanswered) == (2, 1)
    assert never_left(socket.gaierror())
    assert not never_left(ConnectionResetError())
    assert not never_left(RuntimeError("Event loop is closed"))
