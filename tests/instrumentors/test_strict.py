"""Strict mode: what would be nobody's raises before it is sent, whatever kind of call it is; otherwise it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import openai
import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

import otel_genai_cost
from otel_genai_cost import UnattributedCallError, for_tenant, system, tenant
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.tenancy import strict
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.method import PART, Method
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced
from tests.instrumentors.conftest import Recorder

_ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "whose is this?"}],
}


def _plain(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        client.chat.completions.create(**_ASKED)


def _stream(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        list(client.chat.completions.create(**_ASKED, stream=True))


def _raw(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        client.chat.completions.with_raw_response.create(**_ASKED).parse()


def _posted(url: str) -> None:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        client.post("/chat/completions", body=_ASKED, cast_to=object)


async def _await(url: str, **more: Any) -> None:
    async with openai.AsyncOpenAI(base_url=url, api_key="k") as client:
        answer: Any = await client.chat.completions.create(**_ASKED, **more)
        if more:
            [chunk async for chunk in answer]


def _async(url: str) -> None:
    asyncio.run(_await(url))


def _async_stream(url: str) -> None:
    asyncio.run(_await(url, stream=True))


_KINDS: Final = (_plain, _stream, _raw, _posted, _async, _async_stream)


@pytest.fixture
def is_strict() -> Iterator[None]:
    strict.configure(strict=True)
    yield
    strict.configure(strict=False)


def _requests(standin: OpenAIStandIn) -> int:
    return len(standin.received)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.usefixtures("is_strict")
def test_a_call_without_a_tenant_raises_before_it_is_sent(
    kind: Callable[[str], None], standin: OpenAIStandIn, recorder: Recorder
) -> None:
    before = _requests(standin)
    with pytest.raises(UnattributedCallError) as raised:
        kind(standin.url)
    assert _requests(standin) == before and recorder.spans == ()
    assert str(raised.value) == (
        f"a call without a tenant (missing): {raised.value.call!r}; it was not sent, since OTEL_GENAI_COST_STRICT is "
        "raise; make it within otel_genai_cost.tenant(...), or within system(...) if it is the platform's own"
    )
    assert raised.value.call in ("chat gpt-4o", "chat") and isinstance(raised.value, GenAICostError)


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize(
    "block",
    [lambda: tenant("acme"), lambda: for_tenant("acme", reason="digest"), lambda: system("judge")],
    ids=["tenant", "for_tenant", "system"],
)
@pytest.mark.usefixtures("is_strict")
def test_one_that_is_somebodys_is_made(
    kind: Callable[[str], None], block: Any, standin: OpenAIStandIn, recorder: Recorder
) -> None:
    with block():
        kind(standin.url)
    assert len(recorder.spans) == 1


@pytest.mark.parametrize("kind", _KINDS)
def test_it_is_off_unless_somebody_turns_it_on(
    kind: Callable[[str], None], standin: OpenAIStandIn, recorder: Recorder
) -> None:
    kind(standin.url)
    assert len(recorder.spans) == 1


@pytest.mark.usefixtures("is_strict")
def test_the_tenant_may_come_from_baggage_the_span_or_the_resource(
    standin: OpenAIStandIn, recorder: Recorder
) -> None:
    token = context.attach(baggage.set_baggage("tenant.id", "acme"))
    _plain(standin.url)
    context.detach(token)
    tracer = recorder.provider.get_tracer("app")
    with tracer.start_as_current_span("request", attributes={"tenant.id": "acme"}):
        _plain(standin.url)
    own = TracerProvider(resource=Resource.create({"tenant.id": "acme"}))
    with own.get_tracer("app").start_as_current_span("request"):
        _plain(standin.url)
    token = context.attach(baggage.set_baggage("genai_cost.initiator", "system"))
    _plain(standin.url)
    context.detach(token)
    with tracer.start_as_current_span("request"), pytest.raises(UnattributedCallError):
        _plain(standin.url)


@pytest.mark.usefixtures("is_strict")
def test_a_tenant_that_does_not_hold_any_more_is_none(
    standin: OpenAIStandIn, recorder: Recorder
) -> None:
    with tenant("acme"):
        outlives = context.get_current()
    token = context.attach(outlives)
    with pytest.raises(UnattributedCallError, match=r"\(stale\)") as raised:
        _plain(standin.url)
    context.detach(token)
    assert raised.value.absent == "stale"
    token = context.attach(baggage.set_baggage("tenant.id", "no tenant"))
    with pytest.raises(UnattributedCallError, match=r"\(invalid\)"):
        _plain(standin.url)
    context.detach(token)


@pytest.mark.usefixtures("is_strict")
def test_a_generator_raises_when_it_would_send(recorder: Recorder) -> None:
    sent: list[str] = []

    def stream() -> Iterator[str]:
        sent.append("sent")
        yield "part"

    method = Method("chat", lambda *_: {}, lambda _: {}, lambda *_: PART, lambda *_: (None, None))
    wrapped: Any = _function(stream, traced(method, CallTracer("openai", recorder.provider)))
    with pytest.raises(UnattributedCallError):
        next(wrapped())
    assert sent == []
    with tenant("acme"):
        assert list(wrapped()) == ["part"]
        lazily = wrapped()
    assert list(lazily) == ["part"]  # it was asked for where it was somebody's


def _function(function: Any, wrapper: Any) -> Any:
    return lambda: wrapper(function, None, (), {})


@pytest.mark.usefixtures("is_strict")
def test_what_cannot_be_read_stops_nothing(
    standin: OpenAIStandIn, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(strict, "capture", broken)
    _plain(standin.url)
    assert otel_genai_cost.UnattributedCallError is UnattributedCallError
    monkeypatch.undo()
    from otel_genai_cost.errors import failures

    assert failures.pop("tenancy.strict") == 1
    assert trace.get_current_span() is trace.INVALID_SPAN
