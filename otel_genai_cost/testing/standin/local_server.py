"""An HTTP server of 127.0.0.1 that runs in a thread: what every stand-in is."""

from __future__ import annotations

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, TypeVar

__all__ = ["LocalHTTPServer", "LocalHandler", "LocalServer"]

_T = TypeVar("_T", bound="LocalServer")


class LocalHandler(BaseHTTPRequestHandler):
    """Serves one connection, which lasts, and says nothing of it; every method is answered alike."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Quiet."""

    def do_POST(self) -> None:
        """Answer it, whatever the method. Each kind of server has this."""
        raise NotImplementedError

    def do_GET(self) -> None:
        """Likewise."""
        self.do_POST()

    do_PUT = do_DELETE = do_PATCH = do_GET

    def lower_headers(self) -> dict[str, str]:
        """The headers of the request, their names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}

    def break_off(self) -> None:
        """The connection ends here."""
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class LocalHTTPServer(ThreadingHTTPServer):
    """Says nothing of a client that goes away in the middle, which a program that is killed does."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class LocalServer:
    """Serves while its `with` block is open.

    Args:
        handler: What answers each request.
        port: Where to listen; 0 for a free port.
    """

    server_class: ClassVar[type[ThreadingHTTPServer]] = LocalHTTPServer

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        self._server = self.server_class(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        """Its address, without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self: _T) -> _T:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
