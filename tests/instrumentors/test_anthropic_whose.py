"""What of the `anthropic` client is asked for in one place and awaited in another is for whom it was asked for."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Final

import anthropic
import pytest
from anthropic.types import Message

from otel_genai_cost import attach, tenant
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

_ASK: Final[dict[str, Any]] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "whose is this?"}],
}
Client = anthropic.AsyncAnthropic


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with StandIn("anthropic") as standin:
        yield standin.base_url("anthropic")


@pytest.fixture
def client(url: str, tmp_path: Path) -> Iterator[Callable[[], Client]]:
    recorder = Recorder()
    attach(recorder.provider, journal=tmp_path / "journal", quiet=True)
    instrumentor = AnthropicInstrumentor()
    instrumentor.instrument(tracer_provider=recorder.provider)
    yield lambda: anthropic.AsyncAnthropic(base_url=url, api_key="none", max_retries=0)
    instrumentor.uninstrument()


def _create(client: Client) -> Coroutine[Any, Any, object]:
    return client.messages.create(**_ASK)


def _beta(client: Client) -> Coroutine[Any, Any, object]:
    return client.beta.messages.create(**_ASK)


def _post(client: Client) -> Coroutine[Any, Any, object]:
    return client.post("/v1/messages", cast_to=Message, body=_ASK)


def _stream(client: Client) -> Coroutine[Any, Any, object]:
    return _read(client.messages.stream(**_ASK))


def _beta_stream(client: Client) -> Coroutine[Any, Any, object]:
    return _read(client.beta.messages.stream(**_ASK))


def _open_stream(client: Client) -> object:
    return client.messages.stream(**_ASK)


async def _read(manager: Any) -> object:
    async with manager as stream:
        return await stream.get_final_message()


_WAYS: Final = (_create, _beta, _post, _stream, _beta_stream)


@pytest.mark.parametrize("way", _WAYS)
def test_a_call_that_is_awaited_elsewhere_is_for_whom_it_was_asked_for(
    client: Callable[[], Client], tmp_path: Path, way: Callable[[Client], Coroutine[Any, Any, Any]]
) -> None:
    async def run() -> None:
        async with client() as one:
            with tenant("asks"):
                asked = way(one)
            with tenant("awaits"):
                await asked
                await way(one)

    asyncio.run(run())
    drain()
    whose = [each.attribution.tenant for each in observations_in(tmp_path / "journal")]
    assert whose == ["asks", "awaits"]


def _said_of_what_is_never_awaited(client: Client) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for way in (_create, _post, _open_stream):
            way(client)
        gc.collect()
    return [str(each.message) for each in caught if each.category is RuntimeWarning]


def test_what_is_never_awaited_is_warned_of_as_without_us(client: Callable[[], Client]) -> None:
    metered = _said_of_what_is_never_awaited(client())
    AnthropicInstrumentor().uninstrument()
    assert metered == _said_of_what_is_never_awaited(client())
    assert len(metered) == 3


def test_other_tools_around_post_are_asked_by_resources_too(client: Callable[[], Client]) -> None:
    import wrapt

    seen: list[str] = []

    def note(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        seen.append(args[0])
        return wrapped(*args, **kwargs)

    original = vars(anthropic.AsyncAnthropic.__mro__[1])["post"]
    base = anthropic.AsyncAnthropic.__mro__[1]
    base.post = wrapt.FunctionWrapper(original, note)  # type: ignore[attr-defined]

    async def run() -> None:
        async with client() as one:
            await one.messages.create(**_ASK)

    try:
        asyncio.run(run())
    finally:
        base.post = original  # type: ignore[attr-defined]
    assert seen == ["/v1/messages"]
