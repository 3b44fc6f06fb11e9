"""The real `groq` and `together` clients against the stand-in: what each call used is what the stand-in billed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import groq
import pytest
import together

from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.client import ClientInstrumentor
from otel_genai_instrumentors.clients.groq import GroqInstrumentor
from otel_genai_instrumentors.clients.together import TogetherInstrumentor
from otel_genai_instrumentors.open_calls import drain
from tests.instrumentors.conftest import Recorder

_ASKED: Final[list[Any]] = [{"role": "user", "content": "what does this cost? " * 20}]
_BILLED_AS: Final = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "cache_read_tokens",
    "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
    "genai_cost.usage.images": "images",
    "genai_cost.usage.characters": "characters",
}


class _Library(NamedTuple):
    """One of the two, and what its provider reports."""

    module: Any
    client: Callable[..., Any]
    async_client: Callable[..., Any]
    instrumentor: type[ClientInstrumentor]
    provider: str
    model: str
    usage: Usage


_LIBRARIES: Final = (
    _Library(
        groq,
        groq.Groq,
        groq.AsyncGroq,
        GroqInstrumentor,
        "groq",
        "openai/gpt-oss-120b",
        Usage(1_000, 200, cache_read_tokens=300, reasoning_tokens=20),
    ),
    _Library(
        together,
        together.Together,
        together.AsyncTogether,
        TogetherInstrumentor,
        "together_ai",
        "meta-llama/Llama-3.3-70B-Instruct-Turbo",
        Usage(1_000, 200),
    ),
)


@pytest.fixture(scope="module")
def served() -> Iterator[StandIn]:
    with StandIn("groq", "together_ai") as running:
        yield running


class _Bench:
    """A library's instrumented client, its calls and the bill."""

    def __init__(self, library: _Library, standin: StandIn) -> None:
        self.library, self.standin, self.recorder = library, standin, Recorder()
        self.url = standin.base_url(library.provider)
        self.client = library.client(base_url=self.url, api_key="k", max_retries=2)
        self.ask = {"model": library.model, "messages": _ASKED, "max_tokens": 500}
        self.answer = Answer(usage=library.usage, text="It costs what it costs.")
        standin.reset()
        standin.script.always(self.answer)

    @property
    def calls(self) -> list[dict[str, Any]]:
        drain()
        return [dict(span.attributes or {}) for span in self.recorder.spans]

    def check_bill(self) -> None:
        """One call, which used what is on the bill."""
        (call,) = self.calls
        (bill,) = self.standin.bills
        assert _used(call) == {key: n for key, n in bill["usage"].items() if n}
        assert call.get("gen_ai.response.id") in (bill["response_id"], None)
        assert call["gen_ai.provider.name"] == bill["provider"]

    def stream(self) -> Any:
        return self.client.chat.completions.create(**self.ask, stream=True)


def _used(call: dict[str, Any]) -> dict[str, Any]:
    return {key: call[name] for name, key in _BILLED_AS.items() if call.get(name)}


def _bench(library: _Library, standin: StandIn) -> Iterator[_Bench]:
    bench = _Bench(library, standin)
    instrumentor = library.instrumentor()
    instrumentor.instrument(tracer_provider=bench.recorder.provider)
    with bench.client:
        yield bench
    instrumentor.uninstrument()


@pytest.fixture(params=_LIBRARIES, ids=lambda library: library.provider)
def bench(request: pytest.FixtureRequest, served: StandIn) -> Iterator[_Bench]:
    yield from _bench(request.param, served)


@pytest.fixture
def of_groq(served: StandIn) -> Iterator[_Bench]:
    yield from _bench(_LIBRARIES[0], served)


@pytest.fixture
def of_together(served: StandIn) -> Iterator[_Bench]:
    yield from _bench(_LIBRARIES[1], served)


def _create(bench: _Bench) -> None:
    bench.client.chat.completions.create(**bench.ask)


def _stream(bench: _Bench) -> None:
    text = [chunk.choices[0].delta.content or "" for chunk in bench.stream() if chunk.choices]
    assert "".join(text) == bench.answer.text


def _raw(bench: _Bench) -> None:
    bench.client.chat.completions.with_raw_response.create(**bench.ask).parse()


def _read_later(bench: _Bench) -> None:
    with bench.client.chat.completions.with_streaming_response.create(**bench.ask) as response:
        assert response.json()


def _lines(bench: _Bench) -> None:
    ask = {**bench.ask, "stream": True}
    with bench.client.chat.completions.with_streaming_response.create(**ask) as response:
        assert list(response.iter_lines())


def _post(bench: _Bench) -> None:
    path = "/openai/v1/chat/completions" if bench.library.module is groq else "/v1/chat/completions"
    bench.client.post(path, cast_to=object, body=bench.ask)


@pytest.mark.parametrize("way", [_create, _stream, _raw, _read_later, _lines, _post])
def test_each_way_is_one_call(bench: _Bench, way: Callable[[_Bench], None]) -> None:
    way(bench)
    bench.check_bill()
    (call,) = bench.calls
    assert call["gen_ai.response.finish_reasons"] == ("stop",)
    assert call["gen_ai.request.model"] == bench.library.model


@pytest.mark.parametrize("streamed", [False, True])
def test_async(bench: _Bench, streamed: bool) -> None:
    async def run() -> None:
        async with bench.library.async_client(base_url=bench.url, api_key="k") as client:
            answer = await client.chat.completions.create(**bench.ask, stream=streamed)
            if streamed:
                assert [chunk async for chunk in answer]

    asyncio.run(run())
    bench.check_bill()


def _closed(bench: _Bench) -> None:
    stream = bench.stream()
    next(iter(stream))
    stream.close()


def _dropped(bench: _Bench) -> None:
    stream = bench.stream()
    next(iter(stream))
    del stream
    gc.collect()


def _raised(bench: _Bench) -> None:
    with pytest.raises(KeyError), bench.stream() as stream:
        next(iter(stream))
        raise KeyError


@pytest.mark.parametrize("leave", [_closed, _dropped, _raised])
def test_a_stream_that_is_left_is_estimated(bench: _Bench, leave: Callable[[_Bench], None]) -> None:
    leave(bench)
    (call,) = bench.calls
    assert _used(call) == {}
    assert call["genai_cost.unfinished"] is True
    low, likely, high = call["genai_cost.estimate.output_tokens"]
    assert 0 < low <= likely < high == 500
    assert call["genai_cost.estimate.input_tokens"][1] > 0


def test_attempts_are_counted_with_their_statuses(bench: _Bench) -> None:
    bench.standin.reset()
    refused = [Answer(status=status, retry_after_s=0.01) for status in (429, 503)]
    bench.standin.script.next(*refused, bench.answer)
    _create(bench)
    bench.check_bill()
    assert bench.calls[0]["genai_cost.attempt_statuses"] == (429, 503, 200)


def test_a_refusal_says_its_status_and_no_usage(bench: _Bench) -> None:
    bench.standin.reset()
    bench.standin.script.always(Answer(status=500, retry_after_s=0.01))
    with pytest.raises(bench.library.module.InternalServerError):
        _create(bench)
    (call,) = bench.calls
    assert (call["http.response.status_code"], _used(call)) == (500, {})


def test_after_a_time_out_the_usage_is_unknown_within_bounds(bench: _Bench) -> None:
    bench.standin.reset()
    bench.standin.script.always(bench.answer._replace(hangs=True))
    with pytest.raises(bench.library.module.APITimeoutError):
        bench.client.with_options(max_retries=0, timeout=0.2).chat.completions.create(**bench.ask)
    (call,) = bench.calls
    assert call["genai_cost.estimate.output_tokens"] == (0, 0, 500)


def test_groqs_tier_is_the_one_that_served(of_groq: _Bench) -> None:
    of_groq.client.chat.completions.create(**of_groq.ask, service_tier="flex")
    (call,) = of_groq.calls
    assert call["openai.request.service_tier"] == "flex"
    assert call["openai.response.service_tier"] == "flex"


def test_groqs_other_calls(of_groq: _Bench) -> None:
    of_groq.standin.script.clear()
    client, recording = of_groq.client, ("a.mp3", b"ID3")
    client.embeddings.create(model="nomic-embed-text-v1_5", input="hello")
    client.audio.speech.create(model="playai-tts", input="say this", voice="v")
    heard: dict[str, Any] = {"model": "whisper-large-v3", "file": recording}
    client.audio.transcriptions.create(**heard)
    client.audio.translations.create(**heard, response_format="verbose_json")
    embeddings, speech, transcription, translation = of_groq.calls
    bills = [bill["usage"] for bill in of_groq.standin.bills]
    assert _used(embeddings) == {"input_tokens": bills[0]["input_tokens"]}
    assert _used(speech) == {"characters": bills[1]["characters"]} == {"characters": 8}
    assert transcription["gen_ai.operation.name"] == "transcription"
    assert not [name for name in transcription if "usage" in name]
    assert translation["genai_cost.usage.media_ms"] == bills[3]["seconds"] * 1000
    assert translation["genai_cost.usage.incomplete"] is True


@pytest.mark.parametrize("streamed", [False, True])
def test_togethers_completions(of_together: _Bench, streamed: bool) -> None:
    answer = of_together.client.completions.create(
        model=of_together.library.model, prompt="hi", stream=streamed
    )
    assert not streamed or list(answer)
    of_together.check_bill()
    (call,) = of_together.calls
    assert call["gen_ai.operation.name"] == "text_completion"
    assert call["gen_ai.response.finish_reasons"] == ("stop",)


def test_togethers_stream_of_a_completion_that_is_left(of_together: _Bench) -> None:
    stream = of_together.client.completions.create(
        model=of_together.library.model, prompt="hi", stream=True
    )
    next(iter(stream))
    stream.close()
    assert of_together.calls[0]["genai_cost.estimate.output_tokens"][0] == 1


def test_togethers_images(of_together: _Bench) -> None:
    of_together.client.images.generate(model="black-forest-labs/FLUX.1-schnell", prompt="a", n=3)
    of_together.check_bill()
    assert of_together.calls[0]["genai_cost.usage.images"] == 3


def test_togethers_rerankings(of_together: _Bench) -> None:
    of_together.standin.script.clear()
    of_together.client.rerank.create(model="m", query="q", documents=["a", "b"])
    of_together.check_bill()
    assert of_together.calls[0]["gen_ai.operation.name"] == "rerank"


def test_togethers_embeddings_report_no_usage(of_together: _Bench) -> None:
    of_together.client.embeddings.create(model="m", input="hello")
    (call,) = of_together.calls
    assert (call["gen_ai.operation.name"], _used(call)) == ("embeddings", {})
