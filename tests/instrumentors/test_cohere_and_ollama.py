"""What the contract has no case for: the rest of Cohere's API, raw answers, pools; streams of Ollama's that nobody
reads."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import cohere
import httpx
import ollama
import pytest
from opentelemetry.sdk.trace import SpanProcessor

from otel_genai_cost import tenant
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.batch_owners import owner_here
from otel_genai_instrumentors.clients.cohere import CohereInstrumentor
from otel_genai_instrumentors.clients.ollama import OllamaInstrumentor
from otel_genai_instrumentors.cohere_answers import read
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder

_MODEL: Final = "command-a-03-2025"
_SAID: Final[list[Any]] = [{"role": "user", "content": "What is the weather like?"}]


@pytest.fixture(scope="module")
def providers() -> Iterator[StandIn]:
    with StandIn("cohere", "ollama") as running:
        yield running


@pytest.fixture
def seen(providers: StandIn) -> Iterator[Recorder]:
    providers.reset()
    recorder = Recorder()
    instrumentors = (CohereInstrumentor(), OllamaInstrumentor())
    for each in instrumentors:
        each.instrument(tracer_provider=recorder.provider)
    yield recorder
    for each in instrumentors:
        each.uninstrument()


@pytest.fixture
def sender() -> Iterator[httpx.Client]:
    with httpx.Client() as sender:
        yield sender


@pytest.fixture
def first(providers: StandIn, sender: httpx.Client) -> cohere.Client:
    return cohere.Client("k", base_url=providers.base_url("cohere"), httpx_client=sender)


@pytest.fixture
def second(providers: StandIn, sender: httpx.Client) -> cohere.ClientV2:
    return cohere.ClientV2("k", base_url=providers.base_url("cohere"), httpx_client=sender)


@pytest.fixture
def local(providers: StandIn) -> Iterator[ollama.Client]:
    with ollama.Client(host=providers.base_url("ollama")) as client:
        yield client


def _tokens(recorder: Recorder) -> tuple[Any, Any]:
    drain()
    names = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
    return recorder.only.get(names[0]), recorder.only.get(names[1])


def test_a_rerank_is_billed_by_its_searches(
    second: cohere.ClientV2, providers: StandIn, seen: Recorder
) -> None:
    providers.script.next(Answer(Usage(requests=3)))
    second.rerank(model="rerank-v3.5", query="q", documents=["a"])
    assert seen.only["genai_cost.usage.requests"] == 3
    assert _tokens(seen) == (None, None)


def _raw(client: cohere.ClientV2) -> object:
    return client.with_raw_response.chat(model=_MODEL, messages=_SAID)


def _raw_stream(client: cohere.ClientV2) -> object:
    manager = client.with_raw_response.chat_stream(model=_MODEL, messages=_SAID)
    with manager as response:
        list(response.data)
    return response


@pytest.mark.parametrize("call", [_raw, _raw_stream])
def test_raw_answers(
    second: cohere.ClientV2,
    providers: StandIn,
    seen: Recorder,
    call: Callable[[cohere.ClientV2], object],
) -> None:
    providers.script.next(Answer(Usage(1_200, 300)))
    assert type(call(second)).__name__ == "HttpResponse"
    assert _tokens(seen) == (1_200, 300)


def test_a_raw_stream_that_is_left(second: cohere.ClientV2, seen: Recorder) -> None:
    manager = second.with_raw_response.chat_stream(model=_MODEL, messages=_SAID, max_tokens=9)
    with manager as response:
        next(iter(response.data))
    drain()
    assert seen.only["genai_cost.unfinished"] is True
    assert seen.only["genai_cost.estimate.output_tokens"][2] == 9


def test_an_error_in_a_raw_stream_is_the_callers(second: cohere.ClientV2, seen: Recorder) -> None:
    manager = second.with_raw_response.chat_stream(model=_MODEL, messages=_SAID)
    with pytest.raises(ZeroDivisionError), manager:
        raise ZeroDivisionError
    drain()
    assert seen.only["genai_cost.unfinished"] is True


def test_what_a_pool_sends_is_its_callers(first: cohere.Client, seen: Recorder) -> None:
    with seen.provider.get_tracer("application").start_as_current_span("work") as work:
        first.embed(texts=["a"] * 200, model="embed-english-v3.0", input_type="search_query")
    calls = [span for span in seen.spans if span.name.startswith("embeddings")]
    assert len(calls) == 3
    assert {span.parent and span.parent.span_id for span in calls} == {
        work.get_span_context().span_id
    }


def test_bedrock_says_minus_one_for_what_it_does_not_know() -> None:
    units = {"input_tokens": -1, "output_tokens": -1}
    assert read(_Answer({"billed_units": units, "tokens": units})) == {}


class _Answer:
    def __init__(self, usage: dict[str, Any]) -> None:
        self.usage = usage


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # of tests before it
def test_a_stream_of_ollamas_that_nobody_reads_is_no_call(
    local: ollama.Client, providers: StandIn, seen: Recorder
) -> None:
    stream = local.chat("llama3.2", _SAID, stream=True)
    assert inspect.isgenerator(stream)
    del stream
    gc.collect()
    drain()
    assert (seen.spans, providers.received) == ((), [])


def test_an_async_stream_of_ollamas_is_a_call_once_it_is_read_and_for_whom_it_was_asked_for(
    providers: StandIn, seen: Recorder
) -> None:
    owners: list[str | None] = []
    seen.provider.add_span_processor(_Owners(owners))

    async def ask() -> None:
        client: Any = ollama.AsyncClient(host=providers.base_url("ollama"))
        with tenant("asks"):
            unread = await client.chat("llama3.2", _SAID, stream=True)
            stream = await client.chat("llama3.2", _SAID, stream=True)
        del unread
        assert (seen.spans, providers.received) == ((), [])
        with tenant("reads"):
            assert [part async for part in stream]
        await client.close()

    asyncio.run(ask())
    drain()
    assert (len(seen.spans), owners) == (1, ["asks"])


def test_a_refused_stream_has_used_nothing(
    local: ollama.Client, providers: StandIn, seen: Recorder
) -> None:
    providers.script.next(Answer(status=404))
    with pytest.raises(ollama.ResponseError):
        list(local.chat("nothing", _SAID, stream=True))
    assert seen.only["http.response.status_code"] == 404
    assert not [name for name in seen.only if "estimate" in name]


def test_a_server_that_is_not_there_was_sent_nothing(seen: Recorder) -> None:
    with ollama.Client(host="http://127.0.0.1:9") as client, pytest.raises(ConnectionError):
        client.chat("llama3.2", _SAID)
    assert seen.only["genai_cost.request.sent"] is False


# --- jobs ---


def _made_batch(client: cohere.ClientV2) -> str:
    asked: Any = {"name": "b", "input_dataset_id": "ds-1", "model": _MODEL}
    made: Any = client.batches.create(request=asked).batch
    assert made.input_tokens is None
    batch_id: str = made.id
    return batch_id


def test_a_batch_is_reported_once_when_it_is_done_for_whom_it_was_made(
    second: cohere.ClientV2, providers: StandIn, seen: Recorder
) -> None:
    providers.script.next(Answer(Usage(1_200, 300)))
    with tenant("acme"):
        batch_id = _made_batch(second)
    assert seen.spans == ()

    async def ask() -> None:
        async with httpx.AsyncClient() as sender:
            url = providers.base_url("cohere")
            client = cohere.AsyncClientV2("k", base_url=url, httpx_client=sender)
            await client.batches.retrieve(batch_id)

    owners: list[str | None] = []
    seen.provider.add_span_processor(_Owners(owners))
    with tenant("reader"):
        second.batches.retrieve(batch_id)
        second.batches.with_raw_response.retrieve(batch_id)
        asyncio.run(ask())
    found = seen.only
    assert (found["gen_ai.usage.input_tokens"], found["gen_ai.usage.output_tokens"]) == (1_200, 300)
    assert (found["gen_ai.response.id"], found["gen_ai.response.model"]) == (batch_id, _MODEL)
    assert (found["genai_cost.batch"], found["gen_ai.operation.name"]) == (True, "chat")
    assert owners == ["acme"]


class _Owners(SpanProcessor):
    """For whom each span is started."""

    def __init__(self, owners: list[str | None]) -> None:
        self._owners = owners

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        owner = owner_here()
        self._owners.append(owner and owner.tenant)


def test_a_job_of_embeddings_is_what_it_was_billed(
    first: cohere.Client, providers: StandIn, seen: Recorder
) -> None:
    providers.script.next(Answer(Usage(4_000)))
    made = first.embed_jobs.create(
        model="embed-english-v3.0", dataset_id="ds-1", input_type="search_document"
    )
    assert first.embed_jobs.get(made.job_id).status == "complete"
    assert seen.only["gen_ai.operation.name"] == "embeddings"
    assert {name: n for name, n in seen.only.items() if ".usage." in name} == {
        "gen_ai.usage.input_tokens": 4_000
    }
    assert seen.only["gen_ai.response.id"] == made.job_id
