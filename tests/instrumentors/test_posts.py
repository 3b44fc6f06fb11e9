"""The client's own `post`: which of its requests are calls, where they go, and that they are sent as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from opentelemetry import propagate

from otel_genai_cost import tenant
from otel_genai_cost.tenancy import egress
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.instrumentors.conftest import Recorder

_BODY: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
_EMBEDDED: dict[str, Any] = {"model": "text-embedding-3-small", "input": "hello"}


@pytest.fixture
def client(standin: OpenAIStandIn) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _usage(attributes: dict[str, Any]) -> set[str]:
    return {key for key in attributes if key.startswith("gen_ai.usage.")}


@pytest.mark.parametrize(
    "path",
    [
        "/chat/completions",
        "chat/completions?api-version=1",
        "/v1/chat/completions",
        "/deployments/mine/chat/completions",
    ],
)
def test_the_end_of_a_path_says_what_is_called(
    client: openai.OpenAI, recorder: Recorder, path: str
) -> None:
    client.post(path, body=_BODY, cast_to=object)
    assert recorder.only["gen_ai.operation.name"] == "chat"


def test_of_several_models_the_first_is_asked_for_and_another_may_answer(
    client: openai.OpenAI, recorder: Recorder
) -> None:
    body = {"models": ["openai/gpt-5", "openai/gpt-4o"], "messages": _BODY["messages"]}
    client.post("/chat/completions", body=body, cast_to=object)
    assert recorder.only["genai_cost.request.model_asked"] == "openai/gpt-5"
    assert "gen_ai.request.model" not in recorder.only
    assert recorder.only["gen_ai.response.model"] != "openai/gpt-5"


@pytest.mark.parametrize("path", ["/chats", "/chat/completions/7", "/embeddings/batch", ""])
def test_any_other_path_is_none_of_ours(
    client: openai.OpenAI, recorder: Recorder, path: str
) -> None:
    with pytest.raises(openai.NotFoundError):
        client.post(path, body=_BODY, cast_to=object)
    assert recorder.spans == ()


def test_an_absolute_url_is_a_call_to_its_own_host(
    standin: OpenAIStandIn, recorder: Recorder
) -> None:
    url = f"{standin.url}/chat/completions"
    with openai.OpenAI(base_url="https://api.mistral.ai/v1", api_key="k") as client:
        answer = client.post(url, body=_BODY, cast_to=ChatCompletion)
    assert standin.received[-1].path == "/v1/chat/completions"
    called = recorder.only
    assert called["server.address"] == "127.0.0.1"
    assert called["server.port"] == int(standin.url.split(":")[2].split("/")[0])
    assert (
        called["gen_ai.provider.name"] == "openai"
    )  # the client's own, and not that of its base URL
    assert called["gen_ai.response.id"] == answer.id


@pytest.mark.usefixtures("recorder")
@pytest.mark.parametrize("may_know", ["api.openai.com", "127.0.0.1"])
def test_what_may_leave_is_judged_by_the_host_of_an_absolute_url(
    standin: OpenAIStandIn, may_know: str
) -> None:
    def inject(request: Any) -> None:
        propagate.inject(request.headers)  # as an HTTP instrumentation does it, inside the call

    egress.configure((may_know,))
    try:
        http = openai.DefaultHttpxClient(event_hooks={"request": [inject]})
        with (
            openai.OpenAI(
                base_url="https://api.openai.com/v1", api_key="k", http_client=http
            ) as client,
            tenant("acme"),
        ):
            client.post(path=f"{standin.url}/embeddings", body=_EMBEDDED, cast_to=object)
    finally:
        egress.configure(())
    sent = standin.received[-1].headers
    assert "traceparent" in sent
    assert sent.get("baggage") == ("tenant.id=acme" if may_know == "127.0.0.1" else None)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("is_asked", [False, True])
def test_a_posted_stream_is_sent_as_it_is(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn, *, is_asked: bool
) -> None:
    """Also to a host that a resource's stream asks for its usage."""
    more = {"stream_options": {"include_usage": True}} if is_asked else {}
    body = {**_BODY, "stream": True, **more}
    chunks = client.post(
        "/chat/completions",
        body=body,
        cast_to=ChatCompletion,
        stream=True,
        stream_cls=openai.Stream[ChatCompletionChunk],
    )
    assert [bool(chunk.usage) for chunk in chunks] == [False] * 4 + [True] * is_asked
    assert standin.received[-1].body == body
    assert bool(_usage(recorder.only)) is is_asked
