"""Live sessions over a real websocket: each answer is observed with what it reports."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.genai import live
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.instrumentors.google.conftest import LOCATION, Metered

_MODEL = "gemini-live-2.5-flash"


def _usage(prompt: int, response: int, thoughts: int = 0) -> dict[str, Any]:
    return {
        "promptTokenCount": prompt,
        "responseTokenCount": response,
        "totalTokenCount": prompt + response,
        "thoughtsTokenCount": thoughts,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": prompt - 100},
            {"modality": "AUDIO", "tokenCount": 100},
        ],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": response}],
    }


_SAID = {"serverContent": {"modelTurn": {"parts": [{"text": "hello"}]}}}
_DONE = {"serverContent": {"turnComplete": True}}
_SEARCHED = {"serverContent": {"groundingMetadata": {"webSearchQueries": ["what?"]}}}
_CALLED = {"toolCall": {"functionCalls": [{"id": "1", "name": "weather", "args": {}}]}}

_TURNS: list[list[Mapping[str, Any]]] = [
    [_SAID, {**_DONE, "usageMetadata": _usage(322, 42, 13)}],
    [
        {**_CALLED, "usageMetadata": _usage(380, 9)},
        _SEARCHED,
        _SAID,
        _DONE | {"usageMetadata": _usage(420, 24)},
    ],
]
"""What the server sends for each turn. A tool's call reports its own usage."""


async def _server(connection: ServerConnection) -> None:
    await connection.recv()
    await connection.send(json.dumps({"setupComplete": {}}).encode())
    for turn in _TURNS:
        await connection.recv()
        for message in turn:
            await connection.send(json.dumps(message).encode())
    await connection.wait_closed()


async def _talk(client: Any, model: str) -> list[Any]:
    received: list[Any] = []
    async with client.aio.live.connect(model=model, config={}) as session:
        assert isinstance(session, live.AsyncSession)
        for _ in _TURNS:
            await session.send_client_content(turns={"parts": [{"text": "hi"}]})
            received.extend([message async for message in session.receive()])
    return received


def _run(metered: Metered, monkeypatch: pytest.MonkeyPatch, client: Any, model: str) -> list[Any]:
    async def run() -> list[Any]:
        async with serve(_server, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]

            def here(uri: str, **options: Any) -> Any:
                """The client insists on TLS, which is not what is tested."""
                return connect(
                    f"ws://127.0.0.1:{port}/", additional_headers=options["additional_headers"]
                )

            monkeypatch.setattr(live, "ws_connect", here)
            return await _talk(client, model)

    return asyncio.run(run())


def test_each_answer_is_observed(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    received = _run(metered, monkeypatch, metered.client(), _MODEL)
    assert len(received) == sum(map(len, _TURNS))
    assert metered.observed == [
        {
            "input_tokens": 322,
            "output_tokens": 55,
            "input_audio_tokens": 100,
            "output_audio_tokens": 42,
            "reasoning_tokens": 13,
        },
        {
            "input_tokens": 380,
            "output_tokens": 9,
            "input_audio_tokens": 100,
            "output_audio_tokens": 9,
        },
        {
            "input_tokens": 420,
            "output_tokens": 24,
            "input_audio_tokens": 100,
            "output_audio_tokens": 24,
            "web_searches": 1,
        },
    ]
    assert {one.reading.model_requested for one in metered.observations} == {_MODEL}
    assert {one.reading.usage.quality for one in metered.observations} == {"reported"}


def test_vertex(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    _run(metered, monkeypatch, metered.vertex(), _MODEL)
    readings = [one.reading for one in metered.observations]
    assert {reading.provider for reading in readings} == {"gcp.vertex_ai"}
    assert {reading.context["region"] for reading in readings} == {LOCATION}
    assert [reading.usage.input_total for reading in readings] == [322, 380, 420]


def test_an_error_within_a_session_is_the_callers(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        async with metered.client().aio.live.connect(model=_MODEL, config={}):
            raise KeyError("x")

    async def served() -> None:
        async with serve(_server, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setattr(
                live, "ws_connect", lambda *_, **__: connect(f"ws://127.0.0.1:{port}/")
            )
            await run()

    with pytest.raises(KeyError):
        asyncio.run(served())
    assert not metered.observations
