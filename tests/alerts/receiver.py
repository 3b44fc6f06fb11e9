"""A receiver of webhooks: what came, and how it is to answer."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

Answer = tuple[int, Mapping[str, str]]


class Came(NamedTuple):
    """A request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that was killed is no error of ours."""


class Receiver:
    """A server on a port of its own. `answer` says what a request gets; it may take its time."""

    def __init__(self, answer: Callable[[Came], Answer], tls: ssl.SSLContext | None) -> None:
        self.answer = answer
        self.came: list[Came] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more = receiver.take(Came(self.path, headers, body))
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self) -> None:  # where a redirect would lead
                receiver.take(Came(self.path, {}, b""))
                self.send_error(404)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name
                pass

        return Handler

    def take(self, came: Came) -> Answer:
        """Remember a request, and say what it gets."""
        with self._lock:
            self.came.append(came)
        return self.answer(came)

    def run(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def receiving(
    answer: Callable[[Came], Answer] = lambda _: (204, {}),
    *,
    tls: ssl.SSLContext | None = None,
) -> Generator[Receiver, None, None]:
    """A receiver that runs until the end of the block."""
    receiver = Receiver(answer, tls)
    receiver.run()
    try:
        yield receiver
    finally:
        receiver.close()
