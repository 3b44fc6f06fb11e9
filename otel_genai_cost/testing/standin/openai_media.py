"""OpenAI's images, speech, transcriptions and moderations.

Models of images whose name begins with `dall-e` report no usage, and `whisper-1` reports seconds; speech reports usage
as an event stream alone. Moderations cost nothing, and are on no bill.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from otel_genai_cost.testing.standin.script import Usage
from otel_genai_cost.testing.standin.wire import EVENTS, Call, Reply, Route, event

__all__ = ["ROUTES"]

_PIXEL: Final = "iVBORw0KGgo="


def _images(call: Call) -> Reply:
    """Images by their number, or by the tokens of what is read and drawn."""
    model, n = call.returned(), int(call.body.get("n") or 1)
    if model.startswith("dall-e"):
        usage = Usage(images=n)
        data = [{"url": f"https://images.example/{call.number}/{i}.png"} for i in range(n)]
        answer: dict[str, Any] = {"created": call.created, "data": data}
        return Reply(answer, bills=(call.billed(None, model, usage),))
    usage = call.answer.usage or Usage(
        call.usage.input_tokens, 272 * n, output_image_tokens=272 * n
    )
    bills = (call.billed(None, model, usage),)
    if call.body.get("stream") in (True, "true"):
        kind = "image_edit" if call.path.endswith("edits") else "image_generation"
        return Reply(parts=_image_events(call, kind, usage), bills=bills, content_type=EVENTS)
    data = [{"b64_json": _PIXEL} for _ in range(n)]
    return Reply({"created": call.created, "data": data, "usage": _drawn(usage)}, bills=bills)


def _drawn(usage: Usage) -> dict[str, Any]:
    inside = {
        "image_tokens": usage.input_image_tokens,
        "text_tokens": usage.input_tokens - usage.input_image_tokens,
    }
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_details": inside,
    }


def _image_events(call: Call, kind: str, usage: Usage) -> Iterator[bytes]:
    image = {
        "b64_json": _PIXEL,
        "created_at": call.created,
        "size": "1024x1024",
        "quality": "low",
        "background": "opaque",
        "output_format": "png",
    }
    part, whole = f"{kind}.partial_image", f"{kind}.completed"
    yield event({"type": part, "partial_image_index": 0, **image}, part)
    yield event({"type": whole, "usage": _drawn(usage), **image}, whole)


def _speech(call: Call) -> Reply:
    """Older models bill the characters, newer ones tokens, which only the event stream says."""
    model, text = call.returned(), str(call.body.get("input"))
    usage = call.answer.usage or (
        Usage(characters=len(text))
        if model.startswith("tts-1")
        else Usage(call.usage.input_tokens, 90, output_audio_tokens=90)
    )
    bills = (call.billed(None, model, usage),)
    if call.body.get("stream_format") == "sse":
        return Reply(parts=_speech_events(usage), bills=bills, content_type=EVENTS)
    return Reply(b"ID3\x04" + bytes(64), bills=bills, content_type="audio/mpeg")


def _speech_events(usage: Usage) -> Iterator[bytes]:
    yield event({"type": "speech.audio.delta", "audio": "SUQz"})
    counts = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    total = usage.input_tokens + usage.output_tokens
    yield event({"type": "speech.audio.done", "usage": {**counts, "total_tokens": total}})


def _transcription(call: Call) -> Reply:
    """Seconds or tokens of what was heard; plain text says neither."""
    model = call.returned()
    usage = call.answer.usage or (
        Usage(seconds=8) if model.startswith("whisper") else Usage(140, 21, input_audio_tokens=132)
    )
    bills = (call.billed(None, model, usage),)
    if call.body.get("stream") in (True, "true"):
        return Reply(parts=_heard_events(call, usage), bills=bills, content_type=EVENTS)
    kind = call.body.get("response_format")
    if kind in ("text", "srt", "vtt"):
        return Reply(call.said.encode(), bills=bills, content_type="text/plain")
    answer: dict[str, Any] = {"text": call.said, "usage": _heard(usage)}
    if kind == "verbose_json":
        answer |= {"duration": usage.seconds + 0.47, "language": "english", "segments": []}
    if call.path.endswith("translations"):
        del answer["usage"]
    return Reply(answer, bills=bills)


def _heard(usage: Usage) -> Mapping[str, Any]:
    if usage.seconds:
        return {"type": "duration", "seconds": usage.seconds}
    text_tokens = usage.input_tokens - usage.input_audio_tokens
    return {
        "type": "tokens",
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_token_details": {
            "audio_tokens": usage.input_audio_tokens,
            "text_tokens": text_tokens,
        },
    }


def _heard_events(call: Call, usage: Usage) -> Iterator[bytes]:
    for word in call.words:
        yield event({"type": "transcript.text.delta", "delta": word})
    yield event({"type": "transcript.text.done", "text": call.said, "usage": _heard(usage)})
    yield event("[DONE]")


def _moderation(call: Call) -> Reply:
    result = {
        "flagged": False,
        "categories": {"violence": False},
        "category_scores": {"violence": 0.001},
        "category_applied_input_types": {"violence": ["text"]},
    }
    model = str(call.body.get("model") or "omni-moderation-latest")
    return Reply({"id": call.new_id("modr-"), "model": model, "results": [result]})


ROUTES: Final = (
    Route("openai", r".*/images/(?:generations|edits|variations)", _images),
    Route("openai", r".*/audio/speech", _speech),
    Route("openai", r".*/audio/(?:transcriptions|translations)", _transcription),
    Route("openai", r".*/moderations", _moderation),
)
