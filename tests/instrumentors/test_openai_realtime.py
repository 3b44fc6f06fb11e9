"""Realtime connections and the Responses API's websockets, against a websocket server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import openai
import pytest
from websockets.sync.server import ServerConnection, serve

from otel_genai_cost import attach, tenant
from otel_genai_instrumentors.open_calls import drain
from tests.e2e.rig import observations_in
from tests.instrumentors.conftest import Recorder

pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used:DeprecationWarning")

_USAGE: Final = {
    "total_tokens": 253,
    "input_tokens": 132,
    "output_tokens": 121,
    "input_token_details": {
        "text_tokens": 112,
        "audio_tokens": 13,
        "image_tokens": 7,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
}
_LEAVES: Final = {
    "input": 132 - 64 - (13 - 4) - 7,
    "input_audio": 9,
    "input_image": 7,
    "cache_read": 60,
    "cache_read_audio": 4,
    "output": 30,
    "output_audio": 91,
}
_HEARD: Final = {
    "type": "tokens",
    "input_tokens": 40,
    "output_tokens": 4,
    "total_tokens": 44,
    "input_token_details": {"audio_tokens": 40, "text_tokens": 0},
}


def _realtime(number: int) -> Iterator[dict[str, Any]]:
    """What is sent for each response that is asked for."""
    response = {"object": "realtime.response", "id": f"resp_{number}", "status": "in_progress"}
    place = {"item_id": "item_1", "output_index": 0, "content_index": 0}
    yield {"type": "response.created", "response": response}
    yield {"type": "response.output_text.delta", "response_id": "resp_1", **place, "delta": "hi"}
    yield {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": "item_0",
        "content_index": 0,
        "transcript": 'He said: {"type": "response.done"}',
        "usage": _HEARD,
    }
    done = {**response, "status": "completed", "output": [], "usage": _USAGE}
    yield {"type": "response.done", "response": done}


def _responses(number: int) -> Iterator[dict[str, Any]]:
    response: dict[str, Any] = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "model": "gpt-4o-2024-08-06",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    yield {"type": "response.created", "sequence_number": 0, "response": response}
    usage = {
        "input_tokens": 9,
        "output_tokens": 8,
        "total_tokens": 17,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    done = {**response, "status": "completed", "usage": usage}
    yield {"type": "response.completed", "sequence_number": 1, "response": done}


_SESSION: Final = {
    "type": "session.created",
    "session": {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_1",
        "model": "gpt-realtime",
        "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
    },
}


def _serve(connection: ServerConnection) -> None:
    assert connection.request is not None
    is_realtime = "/realtime" in connection.request.path
    if is_realtime:
        connection.send(json.dumps({"event_id": "e", **_SESSION}))
    for number, _ in enumerate(connection, 1):
        for event in (_realtime if is_realtime else _responses)(number):
            connection.send(json.dumps({"event_id": "e", **event}))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve(_serve, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/v1"
        server.shutdown()


def _named(recorder: Recorder, name: str) -> list[dict[str, Any]]:
    return [dict(span.attributes or {}) for span in recorder.spans if span.name == name]


def _until(kind: str, receive: Callable[[], Any]) -> None:
    while receive() != kind:
        pass


def test_each_response_is_a_call_and_each_transcription_one_of_its_own_model(
    url: str, recorder: Recorder, tmp_path: Any
) -> None:
    attach(recorder.provider, journal=tmp_path / "journal", quiet=True)
    with (
        openai.OpenAI(base_url=url, api_key="k") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
        tenant("acme"),
    ):
        for _ in range(2):
            connection.response.create()
            for event in connection:
                if event.type == "response.done":
                    break
    metered = observations_in(tmp_path / "journal")
    assert [one.attribution.tenant for one in metered] == ["acme"] * 4
    read = [(one.reading.model_requested, dict(one.reading.usage.leaves)) for one in metered]
    heard = ("gpt-4o-transcribe", {"input": 0, "input_audio": 40, "output": 4})
    assert read == [heard, ("gpt-realtime", _LEAVES)] * 2
    assert {one.reading.usage.quality for one in metered} == {"reported"}
    assert {one.cost.status for one in metered if one.reading.operation == "realtime"} == {"priced"}


def test_async_connections(url: str, recorder: Recorder) -> None:
    async def main() -> None:
        async with (
            openai.AsyncOpenAI(base_url=url, api_key="k") as client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            await connection.response.create()
            async for event in connection:
                if event.type == "response.done":
                    break

    asyncio.run(main())
    (found,) = _named(recorder, "realtime gpt-realtime")
    assert found["gen_ai.usage.input_tokens"] == 132
    assert found["server.address"] == "127.0.0.1"
    assert "genai_cost.unfinished" not in found


def test_messages_that_are_read_as_bytes(url: str, recorder: Recorder) -> None:
    with (
        openai.OpenAI(base_url=url, api_key="k") as client,
        client.realtime.connect(model="gpt-realtime") as connection,
    ):
        connection.response.create()
        _until("response.done", lambda: json.loads(connection.recv_bytes())["type"])
    (found,) = _named(recorder, "realtime gpt-realtime")
    assert found["gen_ai.usage.audio.output_tokens"] == 91


def _begin_and_leave(client: openai.OpenAI) -> None:
    connection = client.realtime.connect(model="gpt-realtime").enter()
    connection.response.create()
    _until("response.created", lambda: connection.recv().type)
    connection.close()


def test_a_response_whose_connection_is_thrown_away_is_unfinished(
    url: str, recorder: Recorder
) -> None:
    with openai.OpenAI(base_url=url, api_key="k") as client:
        _begin_and_leave(client)
    gc.collect()
    drain()
    (found,) = _named(recorder, "realtime gpt-realtime")
    assert found["genai_cost.unfinished"] is True
    assert found["gen_ai.response.id"] == "resp_1"


def test_the_responses_apis_websocket(url: str, recorder: Recorder) -> None:
    with (
        openai.OpenAI(base_url=url, api_key="k") as client,
        client.responses.connect() as connection,
    ):
        connection.send({"type": "response.create", "model": "gpt-4o", "input": "hello"})
        _until("response.completed", lambda: connection.recv().type)
    (found,) = _named(recorder, "chat gpt-4o-2024-08-06")
    assert found["gen_ai.response.id"] == "resp_1"
    assert found["gen_ai.usage.input_tokens"] == 9
    assert found["gen_ai.usage.output_tokens"] == 8
