"""The HTTP server's own bounds: connections, time, and how it ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from otel_genai_cost.transport.http_server import Call, HttpServer, Reply


def _reply(call: Call) -> Reply:
    return Reply(200, b"".join(call.body.pieces()) if call.method == "POST" else b"hello")


@contextmanager
def _serving(**options: Any) -> Generator[tuple[HttpServer, tuple[str, int]]]:
    server = HttpServer(_reply, shared=False, **options)
    port = server.start("127.0.0.1:0")
    try:
        yield server, ("127.0.0.1", port)
    finally:
        server.stop(1)


def _connected(at: tuple[str, int]) -> socket.socket:
    return socket.create_connection(at, timeout=10)


def _asked(connection: socket.socket) -> bytes:
    """What is answered to a request on a connection that stays open; nothing if it has ended."""
    try:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        return connection.recv(4096)
    except OSError:
        return b""


def test_a_new_connection_takes_the_place_of_an_idle_one() -> None:
    with _serving(connections_max=2) as (_, at), ExitStack() as opened:
        connections: list[socket.socket] = []
        for _ in range(3):
            connections.append(opened.enter_context(_connected(at)))
            assert _asked(connections[-1]).endswith(b"hello")
        assert sorted(bool(_asked(one)) for one in connections[:2]) == [False, True]


def test_nobody_takes_the_place_of_one_that_is_busy() -> None:
    with _serving(connections_max=1, request_s=5) as (_, at), ExitStack() as opened:
        busy = opened.enter_context(_connected(at))
        busy.sendall(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.2)
        other = opened.enter_context(_connected(at))
        assert _asked(other) == b""
        busy.sendall(b"cd")
        assert busy.recv(4096).endswith(b"abcd")


@pytest.mark.parametrize("head", [b"", b"Content-Length: 1000\r\n\r\n"])
def test_who_dribbles_has_no_more_time_than_others(head: bytes) -> None:
    """Each byte comes in time, all of them do not."""
    with _serving(request_s=0.4) as (_, at), _connected(at) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\n" + head)
        began = time.monotonic()
        with pytest.raises(OSError, match=r".*"):
            while time.monotonic() < began + 4:
                slow.sendall(b"x")
                time.sleep(0.1)
        assert time.monotonic() - began < 3


def test_the_end_does_not_wait_for_idle_connections() -> None:
    with _serving() as (server, at), _connected(at) as idle:
        assert _asked(idle).endswith(b"hello")
        began = time.monotonic()
        server.stop(10)
        assert time.monotonic() - began < 3
        assert _asked(idle) == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / not HTTP/1.1\r\n\r\n", b"400"),
        (b"PATCH / HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_what_is_no_http_is_refused(sent: bytes, status: bytes) -> None:
    with _serving() as (_, at), _connected(at) as connection:
        connection.sendall(sent)
        assert status in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "head", [b"a: b\r\n" * 200, (b"a: " + b"b" * 60_000 + b"\r\n") * 6], ids=["many", "long"]
)
def test_a_head_is_bounded_whatever_else_the_process_has_imported(
    head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client for ClickHouse raises the bound of Python's parser."""
    monkeypatch.setattr("http.client._MAXHEADERS", 10_000)
    with _serving() as (_, at), _connected(at) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n" + head + b"\r\n")
        assert b"431" in connection.recv(4096).split(b"\r\n")[0]
