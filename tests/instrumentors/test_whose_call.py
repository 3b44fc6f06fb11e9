"""Whose a call is: tenant, labels and initiator of its context reach its observation, whatever kind of call it is, and
one that is asked for in one place and sent in another is for whom it was asked for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import openai
import pytest
import wrapt
from opentelemetry import baggage, context

from otel_genai_cost import attach, for_tenant, system, tenant
from otel_genai_cost.tenancy import binding, egress
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from otel_genai_instrumentors.method import PART, Method
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

_ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "messages": [{"role": "user", "content": "whose is this?"}],
}
_HOST: Final = "api.example.com"


class _Lazy:
    """A client whose streams are generators that send when they are first asked."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, object]] = []

    def stream(self) -> Iterator[str]:
        self.sent.append(baggage.get_all())
        yield from ("a", "b")

    async def astream(self) -> AsyncIterator[str]:
        self.sent.append(baggage.get_all())
        for part in ("a", "b"):
            await asyncio.sleep(0)
            yield part

    async def create(self) -> str:
        self.sent.append(baggage.get_all())
        await asyncio.sleep(0)
        return "answer"


_METHOD: Final = Method(
    "chat",
    lambda *_: {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o"},
    lambda _: {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 1},
    lambda *_: PART,
    lambda *_: (_HOST, None),
)


class Calls(NamedTuple):
    """The traced clients, and what was observed of their calls."""

    url: str
    lazy: Any
    journal: Path

    @property
    def whose(self) -> list[Attribution]:
        return [one.attribution for one in observations_in(self.journal)]

    @property
    def tenants(self) -> list[str | None]:
        return [one.tenant for one in self.whose]


@pytest.fixture
def calls(tmp_path: Path, standin: OpenAIStandIn) -> Iterator[Calls]:
    recorder, journal = Recorder(), tmp_path / "journal"
    attach(recorder.provider, journal=journal, quiet=True, baggage="app.conversation")
    tracer = CallTracer("openai", recorder.provider)
    methods = {
        name: wrapt.FunctionWrapper(vars(_Lazy)[name], traced(_METHOD, tracer))
        for name in ("stream", "astream", "create")
    }
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield Calls(standin.url, type("Traced", (_Lazy,), methods)(), journal)
    instrumentor.uninstrument()
    binding.configure()
    egress.configure(())


def _plain(calls: Calls) -> None:
    with openai.OpenAI(base_url=calls.url, api_key="k") as client:
        client.chat.completions.create(**_ASKED)


def _stream(calls: Calls) -> None:
    with openai.OpenAI(base_url=calls.url, api_key="k") as client:
        list(client.chat.completions.create(**_ASKED, stream=True))


async def _await(calls: Calls, **more: Any) -> None:
    async with openai.AsyncOpenAI(base_url=calls.url, api_key="k") as client:
        answer: Any = await client.chat.completions.create(**_ASKED, **more)
        if more:
            [chunk async for chunk in answer]


def _async(calls: Calls) -> None:
    asyncio.run(_await(calls))


def _async_stream(calls: Calls) -> None:
    asyncio.run(_await(calls, stream=True))


def _generator(calls: Calls) -> None:
    assert list(calls.lazy.stream()) == ["a", "b"]


def _async_generator(calls: Calls) -> None:
    async def main() -> None:
        assert [part async for part in calls.lazy.astream()] == ["a", "b"]

    asyncio.run(main())


_KINDS: Final = (_plain, _stream, _async, _async_stream, _generator, _async_generator)


@contextmanager
def _everything() -> Generator[None, None, None]:
    with tenant("acme", plan="gold", feature="chat", workflow="triage", agent="clerk", action="a1"):
        token = context.attach(baggage.set_baggage("app.conversation", "c-7"))
        yield
        context.detach(token)


_LABELS: Final = {
    "plan": "gold",
    "feature": "chat",
    "workflow": "triage",
    "agent": "clerk",
    "action": "a1",
    "conversation": "c-7",
}
_BLOCKS: Final[list[tuple[Callable[[], AbstractContextManager[Any]], Attribution]]] = [
    (_everything, Attribution("acme", "edge", None, "user", _LABELS)),
    (
        lambda: for_tenant("acme", reason="digest"),
        Attribution("acme", "for_tenant", None, "system", {"feature": "digest"}),
    ),
    (
        lambda: system("judge"),
        Attribution(None, "for_tenant", "system", "system", {"feature": "judge"}),
    ),
]


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize(("block", "whose"), _BLOCKS, ids=["tenant", "for_tenant", "system"])
def test_what_the_context_says_reaches_the_charge(
    calls: Calls, kind: Callable[[Calls], None], block: Any, whose: Attribution
) -> None:
    with block():
        kind(calls)
    assert calls.whose == [whose]


@pytest.mark.parametrize("kind", _KINDS)
def test_without_a_tenant_it_is_nobodys_and_metered(
    calls: Calls, kind: Callable[[Calls], None]
) -> None:
    kind(calls)
    assert calls.whose == [Attribution()]


# --- asked for in one place, sent in another ---


def test_a_lazy_stream_is_for_whom_it_was_asked_for(calls: Calls) -> None:
    with tenant("acme"):
        stream = calls.lazy.stream()
    assert list(stream) == ["a", "b"]
    with tenant("acme"):
        stream = calls.lazy.stream()
    with tenant("globex"):
        assert list(stream) == ["a", "b"]
        assert baggage.get_baggage("tenant.id") == "globex"
    stream = calls.lazy.stream()
    with tenant("globex"):
        assert list(stream) == ["a", "b"]
    assert calls.tenants == ["acme", "acme", "globex"]


def test_coroutines_are_for_whom_they_were_asked_for(calls: Calls) -> None:
    async def main() -> None:
        asked: list[Any] = []
        for name in ("acme", "globex"):
            with tenant(name):
                asked += [calls.lazy.create(), anext(calls.lazy.astream())]
        await asyncio.gather(*asked)

    asyncio.run(main())
    assert sorted(str(name) for name in calls.tenants) == ["acme", "acme", "globex", "globex"]


def test_in_another_thread_too(calls: Calls) -> None:
    with tenant("acme"):
        stream = calls.lazy.stream()
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    reader.join()
    assert calls.tenants == ["acme"]


def test_baggage_alone_is_carried_too(calls: Calls) -> None:
    token = context.attach(baggage.set_baggage("tenant.id", "acme"))
    stream = calls.lazy.stream()
    context.detach(token)
    assert list(stream) == ["a", "b"]
    assert calls.tenants == ["acme"]


def test_what_did_not_hold_when_it_was_asked_for_does_not_hold_later(calls: Calls) -> None:
    with tenant("acme"):
        outlives = context.get_current()
    token = context.attach(outlives)
    stream = calls.lazy.stream()
    context.detach(token)
    assert list(stream) == ["a", "b"]
    assert [(one.tenant, one.absent) for one in calls.whose] == [(None, "stale")]


def test_a_gateway_of_the_teams_is_told_for_whom_it_was_asked_for(calls: Calls) -> None:
    egress.configure((_HOST,))
    with tenant("acme", feature="chat"):
        stream = calls.lazy.stream()
    token = context.attach(baggage.set_baggage("note", "kept"))
    with tenant("globex", plan="gold"):
        list(stream)
    context.detach(token)
    assert calls.lazy.sent == [{"tenant.id": "acme", "genai_cost.feature": "chat", "note": "kept"}]
