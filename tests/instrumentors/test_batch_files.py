"""Results of batches that are files of lines: read as they pass, whoever makes them, however long they are."""

from __future__ import annotations

import asyncio
import json
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Final

import groq
import httpx
import openai
import pytest
import together
from mistralai.client import Mistral
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from otel_genai_cost import attach, tenant
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.batch_lines import Lines
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.clients.groq import GroqInstrumentor
from otel_genai_instrumentors.clients.mistralai import MistralInstrumentor
from otel_genai_instrumentors.clients.together import TogetherInstrumentor
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

_CHAT: Final = "/v1/chat/completions"
_MESSAGES: Final = [{"role": "user", "content": "hi"}]


def _lines(model: str, n: int) -> bytes:
    body = {"model": model, "messages": _MESSAGES}
    each = ({"custom_id": str(i), "method": "POST", "url": _CHAT, "body": body} for i in range(n))
    return b"\n".join(json.dumps(line).encode() for line in each)


def _uploaded(standin: StandIn, provider: str, content: bytes) -> str:
    url = f"{standin.base_url(provider)}/v1/files"
    file_id: str = httpx.post(url, files={"file": ("a.jsonl", content)}).json()["id"]
    return file_id


class _Maker:
    """A client that makes a batch of three chats, and whoever reads its results; closed with its block."""

    def __init__(self, standin: StandIn) -> None:
        self.standin, self.url = standin, standin.base_url(self.provider)

    def __enter__(self) -> _Maker:
        self.client.__enter__()
        return self

    def __exit__(self, *raised: Any) -> None:
        self.client.__exit__(*raised)

    client: Any
    provider: str
    model: str
    instrumentor: type[ClientInstrumentor]

    def make(self) -> str:
        """The batch's id."""
        raise NotImplementedError

    def read(self, batch_id: str) -> int:
        """Its results, as a whole; how many there are."""
        raise NotImplementedError

    def stream(self, batch_id: str) -> int:
        """Part by part."""
        raise NotImplementedError

    async def read_async(self, batch_id: str) -> int:
        """As a whole, in an event loop."""
        raise NotImplementedError


class _Stainless(_Maker):
    package: Any

    def __init__(self, standin: StandIn) -> None:
        super().__init__(standin)
        kind: str = self.package.__name__.capitalize()
        self.client = getattr(self.package, kind)(base_url=self.url, api_key="k")
        self.awaited: Any = getattr(self.package, f"Async{kind}")

    def make(self) -> str:
        source = _uploaded(self.standin, self.provider, _lines(self.model, 3))
        made: Any = self.client.batches.create(
            input_file_id=source, endpoint=_CHAT, completion_window="24h"
        )
        batch_id: str = getattr(made, "job", made).id
        return batch_id

    def read(self, batch_id: str) -> int:
        output = self.client.batches.retrieve(batch_id).output_file_id
        return len(self.client.files.content(output).read().splitlines())

    def stream(self, batch_id: str) -> int:
        listed: Any = self.client.batches.list()
        (batch,) = (one for one in getattr(listed, "data", listed) if one.id == batch_id)
        with self.client.files.with_streaming_response.content(batch.output_file_id) as response:
            return b"".join(response.iter_bytes(7)).count(b"\n")

    async def read_async(self, batch_id: str) -> int:
        async with self.awaited(base_url=self.url, api_key="k") as client:
            output = (await client.batches.retrieve(batch_id)).output_file_id
            content = await client.files.content(output)
            return len((await content.read()).splitlines())


class _Groq(_Stainless):
    provider, model, package = "groq", "openai/gpt-oss-120b", groq
    instrumentor = GroqInstrumentor


class _Together(_Stainless):
    provider, model, package = "together_ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", together
    instrumentor = TogetherInstrumentor


class _Mistral(_Maker):
    provider, model = "mistral_ai", "mistral-small-2603"
    instrumentor = MistralInstrumentor

    def __init__(self, standin: StandIn) -> None:
        super().__init__(standin)
        self.client = Mistral(api_key="k", server_url=self.url)

    def make(self) -> str:
        source = _uploaded(self.standin, self.provider, _lines(self.model, 3))
        made = self.client.batch.jobs.create(
            input_files=[source], model=self.model, endpoint="/v1/chat/completions"
        )
        batch_id: str = made.id
        return batch_id

    def read(self, batch_id: str) -> int:
        output = self.client.batch.jobs.get(job_id=batch_id).output_file
        return len(self.client.files.download(file_id=str(output)).read().splitlines())

    def stream(self, batch_id: str) -> int:
        (job,) = self.client.batch.jobs.list().data or []
        response = self.client.files.download(file_id=str(job.output_file))
        return sum(1 for _ in response.iter_lines())

    async def read_async(self, batch_id: str) -> int:
        async with Mistral(api_key="k", server_url=self.url) as client:
            job = await client.batch.jobs.get_async(job_id=batch_id)
            response = await client.files.download_async(file_id=str(job.output_file))
            return len((await response.aread()).splitlines())


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@contextmanager
def _instrumented(kind: type[ClientInstrumentor], provider: TracerProvider) -> Generator[None]:
    instrumentor = kind()
    instrumentor.instrument(tracer_provider=provider)
    try:
        yield
    finally:
        instrumentor.uninstrument()


@pytest.mark.parametrize("way", ["read", "stream", "read_async"])
@pytest.mark.parametrize("kind", [_Groq, _Together, _Mistral])
def test_each_line_is_charged_once_to_whom_the_batch_was_made_for(
    served: StandIn, tmp_path: Any, kind: type[_Maker], way: str
) -> None:
    served.reset()
    recorder = Recorder()
    attach(recorder.provider, journal=tmp_path, quiet=True)
    with _instrumented(kind.instrumentor, recorder.provider), kind(served) as maker:
        with tenant("acme"):
            batch_id = maker.make()
        with tenant("reader"):
            for _ in range(2):
                n: Any = getattr(maker, way)(batch_id)
                assert (asyncio.run(n) if way == "read_async" else n) == 3
    verdicts = settle(observations_in(tmp_path)).verdicts
    assert [one.attribution.tenant for one in verdicts] == ["acme"] * 3
    found = {one.richest.reading.response_id: one.richest.reading for one in verdicts}
    assert found.keys() == {bill["response_id"] for bill in served.bills}
    for bill in served.bills:
        reading = found[bill["response_id"]]
        assert reading.usage.input_total == bill["usage"]["input_tokens"]
        assert reading.usage.output_total == bill["usage"]["output_tokens"]
        assert (reading.provider, reading.context["batch"]) == (kind.provider, True)
        assert "service_tier" not in reading.context


def test_mistrals_results_may_stand_in_the_job(served: StandIn) -> None:
    served.reset()
    recorder = Recorder()
    with _instrumented(MistralInstrumentor, recorder.provider), _Mistral(served) as maker:
        job = maker.client.batch.jobs.get(job_id=maker.make(), inline=True)
    assert job.outputs and job.output_file is None
    found = [dict(span.attributes or {}) for span in recorder.spans]
    assert [one["gen_ai.usage.input_tokens"] for one in found] == [
        bill["usage"]["input_tokens"] for bill in served.bills
    ]


# --- long files ---


def _result(n: int, padding: int = 0) -> bytes:
    body = {
        "id": f"chatcmpl-{n}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"finish_reason": "stop", "message": {"content": "x" * padding}}],
        "usage": {"prompt_tokens": n, "completion_tokens": 1, "total_tokens": n + 1},
    }
    response = {"status_code": 200, "body": body}
    line = {"id": f"batch_req_{n}", "custom_id": str(n), "response": response, "error": None}
    return json.dumps(line).encode() + b"\n"


def _client(content: bytes | Callable[[], Iterator[bytes]], **headers: str) -> openai.OpenAI:
    def answer(_: httpx.Request) -> httpx.Response:
        body: Any = content if isinstance(content, bytes) else content()
        return httpx.Response(200, content=body, headers=headers)

    sender: Any = httpx.Client(transport=httpx.MockTransport(answer))
    return openai.OpenAI(api_key="k", http_client=sender)


def _ids(recorder: Recorder) -> list[str]:
    return [(span.attributes or {})["gen_ai.response.id"] for span in recorder.spans]  # type: ignore[misc]


def _read_as_it_comes(client: openai.OpenAI) -> int:
    with client.files.with_streaming_response.content("file-1") as response:
        return sum(len(part) for part in response.iter_bytes())


def test_every_line_of_a_long_stream_is_metered_and_no_more_than_one_is_kept(
    recorder: Recorder,
) -> None:
    lines = [_result(n, padding=40_000) for n in range(200)]
    whole = b"".join(lines)
    parts = [whole[at : at + 65_536] for at in range(0, len(whole), 65_536)]
    tracemalloc.start()
    begun, _ = tracemalloc.get_traced_memory()
    assert _read_as_it_comes(_client(lambda: iter(parts))) == len(whole) > 8_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert _ids(recorder) == [f"chatcmpl-{n}" for n in range(200)]
    assert peak - begun < 4_000_000


def test_a_compressed_stream_is_read_as_it_passes(recorder: Recorder) -> None:
    packing = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    packed = packing.compress(b"".join(map(_result, range(50)))) + packing.flush()
    parts = [packed[at : at + 100] for at in range(0, len(packed), 100)]
    client = _client(lambda: iter(parts), **{"content-encoding": "gzip"})
    assert _read_as_it_comes(client)
    assert len(recorder.spans) == 50


def test_a_stream_that_is_left_has_what_was_read_of_it(recorder: Recorder) -> None:
    with _client(lambda: map(_result, range(50))).files.with_streaming_response.content(
        "file-1"
    ) as response:
        for n, _ in enumerate(response.iter_lines()):
            if n == 9:
                break
    assert len(recorder.spans) == 10


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_lines_are_whole_however_the_bytes_come(size: int) -> None:
    found: list[tuple[bytes, bool]] = []
    content = b"one\r\n\n  \ntwo\nthree"
    lines = Lines(lambda line, is_cut: found.append((line, is_cut)))
    for at in range(0, len(content), size):
        lines.add(content[at : at + size])
    lines.end()
    assert found == [(b"one\r", False), (b"two", False), (b"three", False)]


def test_of_a_line_that_is_too_long_it_is_known_that_there_was_a_response(
    recorder: Recorder,
) -> None:
    content = _result(1) + _result(2, padding=20_000_000) + _result(3)
    parts = [content[at : at + 65_536] for at in range(0, len(content), 65_536)]
    _read_as_it_comes(_client(lambda: iter(parts)))
    assert _ids(recorder) == ["chatcmpl-1", "batch_req_2", "chatcmpl-3"]
    cut = dict(recorder.spans[1].attributes or {})
    assert cut["genai_cost.batch"] is True
    assert not [name for name in cut if ".usage." in name]


class _Gate(SpanProcessor):
    """Keeps other threads than the one that made it from ending a span, until it is opened."""

    def __init__(self) -> None:
        self._thread, self.opened = threading.current_thread(), threading.Event()

    def on_end(self, span: ReadableSpan) -> None:
        if threading.current_thread() is not self._thread:
            self.opened.wait(10)


def test_whoever_downloads_a_long_file_waits_for_its_first_lines_alone(recorder: Recorder) -> None:
    gate = _Gate()
    recorder.provider.add_span_processor(gate)
    client = _client(b"".join(map(_result, range(1_000))))
    with tenant("acme"):
        assert client.files.content("file-1").read().count(b"\n") == 1_000
    assert 20 <= len(recorder.spans) < 1_000
    gate.opened.set()
    for thread in threading.enumerate():
        if thread.name == "genai-cost-batch":
            assert not thread.daemon, "the process waits for it"
            thread.join(10)
    assert _ids(recorder) == [f"chatcmpl-{n}" for n in range(1_000)]
