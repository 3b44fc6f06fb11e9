"""A gate that answers as it is told, over HTTP as the interfaces have it: for what a real one does not do on demand."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, NamedTuple

__all__ = ["ALLOW", "BLOCK", "Asked", "Said", "ScriptedGate"]


class Asked(NamedTuple):
    """A request."""

    path: str
    body: dict[str, Any]
    token: str
    connection: tuple[str, int]


class Said(NamedTuple):
    """An answer. `raw` is sent in place of the fields as JSON; before it, so many seconds go by, or all until the gate
    is down, if it `hangs`."""

    status: int
    fields: dict[str, Any]
    raw: bytes | None = None
    after_s: float = 0.0
    drips: bool = False
    hangs: bool = False


ALLOW = Said(200, {"decision": "allow", "held": "0.5", "on_gate_down": "closed"})
BLOCK = Said(
    402,
    {
        "type": "budget_exceeded",
        "scope": "tenant=acme",
        "reset_at": "2026-12-01T00:00:00Z",
        "on_gate_down": "closed",
    },
)
Answering = Callable[[Asked], Said]


class ScriptedGate:
    """Serves while its `with` block is open. `answer` is what a reserve is answered with, or a function of it; `extend`
    what an extend is. `asked` has all requests."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answer: Said | Answering = ALLOW
        self.extend: Said | Answering = ALLOW
        self._open: list[socket.socket] = []
        self._over = Event()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                gate._open.append(self.connection)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
                """Nothing."""

            def do_POST(self) -> None:
                size = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(size))
                token = self.headers.get("authorization", "")
                asked = Asked(self.path, body, token, self.client_address)
                gate.asked.append(asked)
                self._send(gate._said(asked))

            def _send(self, said: Said) -> None:
                time.sleep(said.after_s)
                if said.hangs:
                    gate._over.wait()
                content = json.dumps(said.fields).encode() if said.raw is None else said.raw
                self.send_response(said.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                for at in range(0, len(content), 1 if said.drips else len(content) or 1):
                    step = 1 if said.drips else len(content)
                    self.wfile.write(content[at : at + step])
                    time.sleep(0.1 if said.drips else 0)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Who went away is no error of ours."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def _said(self, asked: Asked) -> Said:
        if asked.path == "/v1/extend":
            said = self.extend
        elif asked.path == "/v1/reserve":
            said = self.answer
        else:
            return Said(200, {})
        return said(asked) if callable(said) else said

    def of(self, path: str) -> list[dict[str, Any]]:
        """The bodies of all requests to a path such as `reserve`."""
        return [each.body for each in self.asked if each.path == f"/v1/{path}"]

    def __enter__(self) -> ScriptedGate:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    def down(self) -> None:
        """Nobody listens any more."""
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self.drop()

    def drop(self) -> None:
        """All connections are closed."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
