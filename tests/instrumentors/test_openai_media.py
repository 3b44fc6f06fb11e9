"""Images, speech, transcriptions and moderations of the real `openai` client: what is counted is what the stand-in
bills."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Final

import openai
import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.instrumentors.conftest import Recorder

_NAMES: Final = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.image.output_tokens": "output_image_tokens",
    "gen_ai.usage.audio.output_tokens": "output_audio_tokens",
    "gen_ai.usage.audio.input_tokens": "input_audio_tokens",
    "genai_cost.usage.images": "images",
    "genai_cost.usage.characters": "characters",
    "genai_cost.usage.media_ms": "seconds",
}
"""Attribute -> what the bill calls it."""


@pytest.fixture
def client(standin: OpenAIStandIn, recorder: Recorder) -> Iterator[openai.OpenAI]:
    """Made when the client is instrumented: older ones hold on to what they send with."""
    assert recorder.spans == ()
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _file() -> Any:
    return ("a.mp3", io.BytesIO(b"x" * 50))


def _draw(client: Any, **more: Any) -> Any:
    return client.images.generate(**{"model": "gpt-image-1", "prompt": "a cat", **more})


def _edit(client: Any, **more: Any) -> Any:
    image = io.BytesIO(b"x" * 20)
    return client.images.edit(model="gpt-image-1", image=image, prompt="a hat", **more)


def _vary(client: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return client.images.create_variation(model="dall-e-2", image=io.BytesIO(b"x"), n=2)


def _speak(client: Any, model: str = "tts-1", **more: Any) -> Any:
    return client.audio.speech.create(model=model, voice="alloy", input="hällo", **more)


def _speak_in_parts(client: Any, model: str = "tts-1", **more: Any) -> Any:
    speech = client.audio.speech.with_streaming_response
    with speech.create(model=model, voice="alloy", input="hällo", **more) as response:
        return b"".join(response.iter_bytes())


def _hear(client: Any, model: str = "gpt-4o-transcribe", **more: Any) -> Any:
    return client.audio.transcriptions.create(model=model, file=_file(), **more)


_EVENTS: Final = {"stream_format": "sse"}
_CALLS: Final[dict[str, Callable[[Any], Any]]] = {
    "image": _draw,
    "image by number": lambda client: _draw(client, model="dall-e-3", n=2),
    "image, posted": lambda client: client.post(
        "/images/generations", body={"model": "gpt-image-1", "prompt": "a cat"}, cast_to=object
    ),
    "image, raw": lambda client: client.images.with_raw_response.generate(
        model="gpt-image-1", prompt="a cat"
    ).parse(),
    "image, streamed": lambda client: list(_draw(client, stream=True)),
    "edit": _edit,
    "edit, streamed": lambda client: list(_edit(client, stream=True)),
    "variation": _vary,
    "speech": lambda client: _speak(client).content,
    "speech, in parts": _speak_in_parts,
    "speech, events": lambda client: _speak(client, "gpt-4o-mini-tts", **_EVENTS).content,
    "speech, events in parts": lambda client: _speak_in_parts(client, "gpt-4o-mini-tts", **_EVENTS),
    "transcription": _hear,
    "transcription, streamed": lambda client: list(_hear(client, stream=True)),
    "transcription, verbose": lambda client: _hear(
        client, "whisper-1", response_format="verbose_json"
    ),
    "transcription by the second": lambda client: _hear(client, "whisper-1"),
}


@pytest.mark.parametrize("call", _CALLS.values(), ids=_CALLS)
def test_what_is_counted_is_what_is_billed(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn, call: Any
) -> None:
    assert call(client)
    found = recorder.only
    billed = {name: n for name, n in standin.bills[-1]["usage"].items() if n}
    if "seconds" in billed:
        billed["seconds"] *= 1_000
    assert {_NAMES[name]: n for name, n in found.items() if name in _NAMES} == billed
    assert found["gen_ai.request.model"] == standin.bills[-1]["model"]
    assert "genai_cost.unfinished" not in found
    assert not any("estimate" in name or "incomplete" in name for name in found)


def test_async_calls(recorder: Recorder, standin: OpenAIStandIn) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as client:
            await _draw(client)
            async for _ in await _draw(client, stream=True):
                pass
            await _speak(client)
            await _hear(client)

    asyncio.run(main())
    counted = [
        {name for name in span.attributes or {} if ".usage." in name} for span in recorder.spans
    ]
    assert all(counted)
    assert len(counted) == 4


@pytest.mark.parametrize("kind", ["text", "srt"])
def test_a_transcription_as_text_says_nothing_of_its_usage(
    client: openai.OpenAI, recorder: Recorder, kind: str
) -> None:
    assert _hear(client, response_format=kind) == "A stand-in's answer."
    assert not any(".usage." in name for name in recorder.only)


def test_a_duration_alone_is_an_estimate(client: openai.OpenAI, recorder: Recorder) -> None:
    body = {"model": "whisper-1", "response_format": "verbose_json"}
    client.post("/audio/translations", body=body, cast_to=object)
    assert recorder.only["genai_cost.usage.media_ms"] == 8_470
    assert recorder.only["genai_cost.usage.incomplete"] is True


def test_what_is_refused_has_used_nothing(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    with pytest.raises(openai.InternalServerError):
        client.audio.speech.create(model="tts-1", voice="alloy", input="[500]")
    assert recorder.only["http.response.status_code"] == 500
    assert not any(".usage." in name for name in recorder.only)


def test_a_moderation_is_one_request(client: openai.OpenAI, recorder: Recorder) -> None:
    client.moderations.create(input="hello")
    assert recorder.only["gen_ai.operation.name"] == "moderation"
    assert recorder.only["gen_ai.response.model"] == "omni-moderation-latest"
    assert recorder.only["genai_cost.usage.requests"] == 1
