"""The middlewares: a response ends once its calls are durable, and is otherwise as it was."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost import FlushASGI, FlushWSGI
from otel_genai_cost.metering import current_settings, functions
from tests.metering.programs import run


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What happens, in order: what is sent, and `flush`."""
    found: list[Any] = []
    monkeypatch.setenv("OTEL_GENAI_COST_FLUSH", "response")
    monkeypatch.setattr(functions, "force_flush", lambda timeout_s: found.append("flush"))
    monkeypatch.setattr(current_settings, "_used", [])
    return found


def _asgi(said: list[Any], *messages: dict[str, Any], kind: str = "http") -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        said.append("background")

    async def send(message: Any) -> None:
        said.append(message.get("body", message["type"]))

    asyncio.run(FlushASGI(application)({"type": kind}, None, send))  # type: ignore[arg-type]


def _start(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": 200, "headers": list(headers)}


def _body(content: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


_START = "http.response.start"


def test_asgi_a_response_is_held_at_its_end(said: list[Any]) -> None:
    _asgi(said, _start(), _body(b"a", True), _body(b"b", True), _body(b""))
    assert said == [_START, b"a", b"b", "flush", b"", "background", "flush"]


def test_asgi_a_client_that_counts_has_it_earlier(said: list[Any]) -> None:
    _asgi(said, _start((b"Content-Length", b"2")), _body(b"a", True), _body(b"b", True), _body(b""))
    assert said == [_START, b"a", "flush", b"b", "flush", b"", "background", "flush"]


def test_asgi_what_is_no_response_is_let_through(said: list[Any]) -> None:
    _asgi(said, {"type": "lifespan.startup.complete"}, kind="lifespan")
    assert said == ["lifespan.startup.complete", "background"]


def test_asgi_nothing_is_held_unless_it_is_asked_for(
    said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_GENAI_COST_FLUSH", "off")
    _asgi(said, _start(), _body(b"a"))
    assert said == [_START, b"a", "background"]


def test_asgi_no_response_waits_for_a_thread_of_the_applications(
    said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a loop are few, and each may be taken for long."""
    monkeypatch.setenv("OTEL_GENAI_COST_FLUSH_TIMEOUT_MS", "20")
    is_over = threading.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send(_start())
        await send(_body(b"a"))

    async def send(message: Any) -> None:
        said.append(message.get("body", message["type"]))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        taken = loop.run_in_executor(None, is_over.wait)
        loop.call_later(20, is_over.set)  # whoever waits for that thread fails, and does not hang
        await FlushASGI(application)({"type": "http"}, None, send)  # type: ignore[arg-type]
        said.append("too late" if is_over.is_set() else "done")
        await asyncio.sleep(0)  # the loop tells the thread's queue of what was given up
        is_over.set()
        await taken

    asyncio.run(serve())
    assert said == [_START, b"a", "done"]


def test_asgi_an_error_is_the_applications(said: list[Any]) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(FlushASGI(broken)({"type": "http"}, None, None))  # type: ignore[arg-type]
    assert said == ["flush"]


class _Streamed:
    def __init__(self, said: list[Any], *parts: bytes) -> None:
        self._said, self._parts = said, parts

    def __iter__(self) -> Any:
        for part in self._parts:
            self._said.append(part)
            yield part

    def close(self) -> None:
        self._said.append("close")


def _wsgi(said: list[Any], body: Iterable[bytes], *headers: tuple[str, str]) -> Any:
    def application(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        return body

    def start(status: str, sent: Any, *more: Any) -> None:
        said.append(status)

    return FlushWSGI(application)({}, start)


@pytest.mark.parametrize("body", [[b"a", b"b"], (b"a",), []])
def test_wsgi_a_whole_body_goes_as_it_is(said: list[Any], body: Any) -> None:
    assert _wsgi(said, body) is body
    assert said == ["200 OK", "flush"]


def test_wsgi_a_stream_is_held_at_its_end(said: list[Any]) -> None:
    found = _wsgi(said, _Streamed(said, b"a", b"b"))
    said.extend(part.upper() for part in found)
    found.close()
    assert said == ["200 OK", b"a", b"A", b"b", b"B", "flush", "close", "flush"]


def test_wsgi_a_client_that_counts_has_it_earlier(said: list[Any]) -> None:
    found = _wsgi(said, _Streamed(said, b"a", b"b"), ("Content-Length", "2"))
    said.extend(part.upper() for part in found)
    assert said == ["200 OK", b"a", b"A", b"b", "flush", b"B", "flush"]


def test_wsgi_nothing_is_held_unless_it_is_asked_for(
    said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_GENAI_COST_FLUSH", "off")
    body = _Streamed(said, b"a")
    assert _wsgi(said, body) is body


def test_a_failure_to_flush_is_not_the_applications(
    said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(timeout_s: float) -> None:
        raise OSError

    monkeypatch.setattr(functions, "force_flush", fail)
    assert _wsgi(said, [b"a"]) == [b"a"]


@pytest.mark.parametrize(
    ("environment", "given", "held"),
    [
        ({}, 'flush="response", flush_timeout_ms=700', [0.7, 0.7]),
        ({"OTEL_GENAI_COST_FLUSH": "response"}, 'flush="off"', []),
        ({"OTEL_GENAI_COST_FLUSH": "response"}, "flush_timeout_ms=700", [0.7, 0.7]),
    ],
)
def test_what_code_says_holds_for_middlewares_made_before_and_after(
    tmp_path: Path, environment: dict[str, str], given: str, held: list[float]
) -> None:
    ran = run(
        f"""
from otel_genai_cost import FlushWSGI
from otel_genai_cost.metering import functions
functions.force_flush = lambda timeout_s: say(timeout_s)
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]
early = FlushWSGI(app)
trace.set_tracer_provider(TracerProvider())
install({given})
for each in (early, FlushWSGI(app)):
    each({{}}, lambda *_: None)
""",
        tmp_path,
        {"OTEL_GENAI_COST_QUIET": "true", **environment},
    )
    assert ran.said == held, ran.stderr
