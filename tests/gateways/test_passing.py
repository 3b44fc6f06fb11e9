"""What passes a gateway comes out as it went in, is read right, and ends as a client expects."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import httpx
import httpx2
import pytest
from anthropic import Anthropic
from hypothesis import given
from hypothesis import strategies as st
from openai import OpenAI

from otel_genai_cost.gate.passing import WHOLE_MAX_BYTES, Passing
from otel_genai_cost.gate.units import UNIT_MAX_BYTES
from otel_genai_cost.gate.watch import Watch

_SSE: Final = {"content-type": "text/event-stream; charset=utf-8"}
_JSON: Final = {"content-type": "application/json"}
_LINES: Final = {"content-type": "application/x-ndjson"}
_WORDS: Final = "four little words here "


async def _no(_: int) -> bool:
    return False


def _watch(held: int | None = None, limit: int | None = None) -> Watch:
    """A token costs one atto."""
    return Watch(held, limit, lambda tokens: tokens, _no)


def _passed(passing: Passing, chunks: Iterable[bytes]) -> tuple[bytes, bool]:
    """All that goes on, and whether the end of it was ours."""

    async def run() -> tuple[bytes, bool]:
        out = b""
        parts = list(chunks)
        for at, chunk in enumerate(parts):
            more, is_last = await passing.passed(chunk, is_end=at == len(parts) - 1)
            out += more
            if is_last:
                return out, at < len(parts) - 1 or passing.is_cut
        return out, False

    return asyncio.run(run())


def _event(said: dict[str, Any], named: bool = False) -> bytes:
    head = b"event: " + said["type"].encode() + b"\n" if named else b""
    return head + b"data: " + json.dumps(said).encode() + b"\n\n"


def _chat(n: int, *, usage: bool = True) -> list[bytes]:
    said = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": _WORDS}, "finish_reason": None}
    parts = [_event({**said, "choices": [choice]}) for _ in range(n)]
    parts.append(_event({**said, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
    if usage:
        counts = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        parts.append(_event({**said, "choices": [], "usage": counts}))
    return [*parts, b"data: [DONE]\n\n"]


def _messages(n: int) -> list[bytes]:
    usage = {"input_tokens": 3, "output_tokens": 1}
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
    }
    message |= {"stop_reason": None, "stop_sequence": None, "usage": usage}
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "text", "text": ""},
    }
    delta: dict[str, Any] = {"type": "content_block_delta", "index": 0}
    delta |= {"delta": {"type": "text_delta", "text": _WORDS}}
    end = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"output_tokens": 9},
    }
    said: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        start,
        *[delta] * n,
    ]
    said += [{"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}]
    return [_event(one, named=True) for one in said]


def _responses(n: int) -> list[bytes]:
    response = {
        "id": "resp_1",
        "object": "response",
        "model": "m",
        "status": "in_progress",
        "output": [],
    }
    said: list[dict[str, Any]] = [{"type": "response.created", "response": response}]
    said += [{"type": "response.output_text.delta", "item_id": "i", "delta": _WORDS}] * n
    said.append({"type": "response.completed", "response": {**response, "status": "completed"}})
    return [_event({**one, "sequence_number": at}, named=True) for at, one in enumerate(said)]


@given(st.data())
def test_whatever_the_chunks_are_the_same_bytes_come_out(data: st.DataObject) -> None:
    ends = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    body = b"".join(_chat(5)).replace(b"\n", ends.encode())
    body += data.draw(st.binary(max_size=30))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    passing = Passing(_SSE, _watch())
    assert _passed(passing, chunks) == (body, False)
    assert passing.answer["usage"]["completion_tokens"] == 4
    assert passing.answer["id"] == "chatcmpl-1"
    assert passing.arrived.text_bytes == 5 * len(_WORDS)
    assert passing.is_ended


@given(
    st.binary(max_size=400),
    st.sampled_from([_SSE, _JSON, {"content-type": "application/x-ndjson"}]),
)
def test_no_bytes_are_lost_or_harm(body: bytes, headers: dict[str, str]) -> None:
    passing = Passing(headers, _watch(held=1))
    assert _passed(passing, [body[:7], body[7:]])[0][: len(body)] == body


@given(st.binary(max_size=400))
def test_bytes_that_are_not_as_packed_as_they_say_harm_nobody(body: bytes) -> None:
    passing = Passing({**_JSON, "content-encoding": "gzip"}, _watch())
    assert _passed(passing, [body]) == (body, False)
    assert passing.answer == {}


def test_a_packed_stream_goes_on_unpacked() -> None:
    body = b"".join(_chat(50))
    packed = gzip.compress(body)
    passing = Passing({**_SSE, "content-encoding": "gzip"}, _watch())
    assert passing.is_unpacked
    assert _passed(passing, [packed[:40], packed[40:41], packed[41:]]) == (body, False)


def test_a_packed_answer_is_read_and_goes_on_as_it_came() -> None:
    packed = gzip.compress(json.dumps({"id": "x", "usage": {"prompt_tokens": 1}}).encode())
    passing = Passing({**_JSON, "content-encoding": "gzip"}, _watch())
    assert not passing.is_unpacked
    assert _passed(passing, [packed[:9], packed[9:]]) == (packed, False)
    assert passing.answer["id"] == "x"


def test_what_nobody_can_read_passes() -> None:
    passing = Passing({**_SSE, "content-encoding": "br"}, _watch(held=1))
    assert not passing.is_read
    assert _passed(passing, [b"\x00\x01", b"\x02"]) == (b"\x00\x01\x02", False)


def test_few_bytes_that_stand_for_very_many_fill_no_memory() -> None:
    packed = gzip.compress(b" " * (WHOLE_MAX_BYTES + 1_000_000))
    passing = Passing({**_JSON, "content-encoding": "gzip"}, _watch())
    assert _passed(passing, [packed]) == (packed, False)
    assert not passing.is_read


def test_an_event_that_is_too_long_passes_in_pieces() -> None:
    body = _event({"id": "x", "choices": [{"delta": {"content": "x" * (UNIT_MAX_BYTES * 2)}}]})
    chunks = [body[at : at + 65_536] for at in range(0, len(body), 65_536)] + _chat(1)
    passing = Passing(_SSE, _watch())
    assert _passed(passing, chunks) == (b"".join(chunks), False)
    assert passing.answer["usage"]["completion_tokens"] == 4


def test_usage_that_only_we_asked_for_is_kept_from_the_caller() -> None:
    passing = Passing(_SSE, _watch(), hides_usage=True)
    out, _ = _passed(passing, _chat(2))
    assert out == b"".join(_chat(2, usage=False))
    assert passing.answer["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize("held", range(1, 120, 7))
def test_a_stream_never_brings_more_than_is_held_but_for_its_first_event(held: int) -> None:
    passing = Passing(_SSE, _watch(held))
    out, is_ours = _passed(passing, _chat(40))
    assert is_ours == passing.is_cut
    assert passing.is_cut
    one = -(-len(_WORDS) // 4)
    assert passing.tokens <= max(held, one)
    assert held < passing.tokens + 2 * one, "nor is it cut too early"
    assert out.endswith(b"data: [DONE]\n\n")


def test_a_guess_that_the_model_wrote_more_than_it_may_cuts_nothing() -> None:
    passing = Passing(_SSE, _watch(held=50, limit=50))
    out, is_ours = _passed(passing, _chat(15))
    assert (out, is_ours) == (b"".join(_chat(15)), False)
    assert _passed(Passing(_SSE, _watch(held=50, limit=50)), _chat(40))[1], "it keeps to no limit"


def test_a_stream_goes_on_when_more_is_granted() -> None:
    asked: list[int] = []

    async def grant(held: int) -> bool:
        asked.append(held)
        return True

    passing = Passing(_SSE, Watch(10, None, lambda tokens: tokens, grant))
    assert _passed(passing, _chat(40)) == (b"".join(_chat(40)), False)
    assert asked == sorted(asked)
    assert len(asked) < 20, "each asks for a quarter more at least"


def test_a_stream_goes_on_while_it_is_asked_for_more() -> None:
    answered = asyncio.Event()

    async def refuse_later(_: int) -> bool:
        await answered.wait()
        return False

    async def run() -> None:
        watch = Watch(100, None, lambda tokens: tokens, refuse_later)
        assert [await watch.may_go_on(tokens) for tokens in range(10, 100, 10)] == [True] * 9
        answered.set()
        await asyncio.sleep(0)
        assert await watch.may_go_on(95) is False, "one more of ten does not fit"

    asyncio.run(asyncio.wait_for(run(), 10))


def test_what_is_paid_for_is_not_cut_off() -> None:
    parts = _chat(3)
    passing = Passing(_SSE, _watch(held=4 * 6))
    out, is_ours = _passed(passing, parts)
    assert (out, is_ours) == (b"".join(parts), False)


def _openai(content: bytes) -> str:
    client = OpenAI(api_key="x", base_url="http://x", http_client=_http(content, httpx))
    stream = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "x"}], stream=True
    )
    parts = list(stream)
    assert parts[-1].choices[0].finish_reason == "length"
    return "".join(part.choices[0].delta.content or "" for part in parts)


def _openai_responses(content: bytes) -> str:
    client = OpenAI(api_key="x", base_url="http://x", http_client=_http(content, httpx))
    parts = list(client.responses.create(model="m", input="x", stream=True))
    last: Any = parts[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    return "".join(part.delta for part in parts if part.type == "response.output_text.delta")


def _anthropic(content: bytes) -> str:
    client = Anthropic(api_key="x", base_url="http://x", http_client=_http(content, httpx2))
    with client.messages.stream(
        model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "max_tokens"
    assert message.content[0].type == "text"
    return message.content[0].text


def _http(content: bytes, library: Any) -> Any:
    """A client of the HTTP library that an SDK uses."""

    def answer(_: Any) -> Any:
        return library.Response(200, headers=_SSE, content=content)

    return library.Client(transport=library.MockTransport(answer))


@pytest.mark.parametrize(
    ("parts", "client"),
    [(_chat(40), _openai), (_responses(40), _openai_responses), (_messages(40), _anthropic)],
    ids=["chat", "responses", "messages"],
)
def test_a_stream_that_is_cut_ends_for_its_client_as_one_that_reached_its_limit(
    parts: list[bytes], client: Callable[[bytes], str]
) -> None:
    passing = Passing(_SSE, _watch(held=100))
    out, is_ours = _passed(passing, parts)
    assert is_ours
    assert not passing.is_complete
    text = client(out)
    assert text == _WORDS * (len(text) // len(_WORDS))
    assert 70 <= len(text) // 4 <= 100


def _frames() -> Iterator[bytes]:
    from otel_genai_cost.gate.endings import _frame  # pyright: ignore[reportPrivateUsage]

    yield _frame("messageStart", {"role": "assistant"})
    for _ in range(20):
        yield _frame("contentBlockDelta", {"delta": {"text": _WORDS}, "contentBlockIndex": 0})


def test_a_stream_of_frames_ends_with_one_that_botocore_reads() -> None:
    from botocore.eventstream import EventStreamBuffer

    body = b"".join(_frames())
    passing = Passing({"content-type": "application/vnd.amazon.eventstream"}, _watch(held=40))
    out, is_ours = _passed(passing, [body[:100], body[100:333], body[333:]])
    assert is_ours
    buffer = EventStreamBuffer()
    buffer.add_data(out)
    events = list(buffer)
    assert events[-1].headers[":event-type"] == "messageStop"
    assert json.loads(events[-1].payload) == {"stopReason": "max_tokens"}
    assert len(events) < 10


@pytest.mark.parametrize(
    ("event", "kind", "end"),
    [
        ({"candidates": [{"content": {"parts": [{"text": _WORDS}]}}]}, _SSE, '"finishReason":"MAX_TOKENS"'),
        ({"model": "m", "message": {"content": _WORDS}, "done": False}, _LINES, '"done":true'),
        ({"type": "content-delta", "delta": {"message": {"content": {"text": _WORDS}}}}, _SSE, '"message-end"'),
    ],
    ids=["gemini", "ollama", "cohere"],
)  # fmt: skip
def test_other_formats_end_in_their_own_words(event: Any, kind: dict[str, str], end: str) -> None:
    line = json.dumps(event).encode() + b"\n" if "ndjson" in str(kind) else _event(event)
    passing = Passing(kind, _watch(held=20))
    out, is_ours = _passed(passing, [line] * 20)
    assert is_ours
    assert end in out.decode().strip().splitlines()[-1]
