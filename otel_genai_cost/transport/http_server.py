"""An HTTP server that is bounded: so many connections, so long for a request. A thread each, as gRPC's server has.

It is made of Python's own parser and sockets. A connection that says nothing is kept for later until another one wants
its place; one that says something has to come to its end in time, however slowly it dribbles.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import Any, BinaryIO, Final, NamedTuple, cast

from otel_genai_cost.errors import guarded
from otel_genai_cost.transport.http_body import Body
from otel_genai_cost.transport.listening import ServerTls, bound_socket, unix_path
from otel_genai_cost.transport.tls import server_context

__all__ = ["Call", "HttpServer", "Reply"]

_logger = logging.getLogger("otel_genai_cost")
_IDLE_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.05
"""How often whoever accepts connections looks whether it is to end."""

_HEAD_MAX_BYTES: Final = 1 << 18
_HEADERS_MAX: Final = 100
"""How much a request may say of itself. Libraries beside it raise the bound of Python's own parser."""

_REST_MAX_BYTES: Final = 1 << 27
"""How much of a body that nobody wants is read, so that its sender gets to read the answer."""


class Call(NamedTuple):
    """A request, with its body still to be read."""

    method: str
    path: str
    headers: Message
    body: Body


class Reply(NamedTuple):
    """What is answered to one."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class HttpServer:
    """Serves HTTP.

    Args:
        reply: Answers a request.
        shared: Whether other processes may listen at the same address.
        connections_max: How many there may be at once. A further one takes the place of one that is idle, or waits.
        request_s: How long a request may take to come in, and its answer to go out.
    """

    def __init__(
        self,
        reply: Callable[[Call], Reply],
        *,
        shared: bool,
        connections_max: int = 256,
        request_s: float = 30.0,
    ) -> None:
        self.reply, self.request_s = reply, request_s
        self._shared, self._connections_max = shared, connections_max
        self._server: _Server | None = None

    def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Begin to serve.

        Args:
            address: `host:port`, where port 0 takes a free one, or `unix://` and a path.
            tls: How callers are served; None for no TLS.

        Returns:
            The port; 0 for a Unix socket.

        Raises:
            ConfigurationError: if the address cannot be had, or a certificate is none.
        """
        context = None if tls is None else server_context(tls)
        listening = bound_socket(address, shared=self._shared)
        self._server = _Server(self, listening, context, self._connections_max)
        Thread(target=self._server.serve_forever, args=(_LOOK_EVERY_S,), daemon=True).start()
        if unix_path(address) is not None:
            return 0
        port: int = listening.getsockname()[1]
        return port

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed."""
        if self._server is not None:
            self._server.end(grace_s)


class _Server(BaseServer):
    """Accepts connections, and gives each a thread."""

    def __init__(
        self,
        settings: HttpServer,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        connections_max: int,
    ) -> None:
        super().__init__(listening.getsockname(), _Handler)
        self.settings, self.is_ending = settings, False
        self.idle: dict[socket.socket, None] = {}
        self._listening, self._tls = listening, tls
        self._places, self._all = BoundedSemaphore(connections_max), connections_max
        listening.listen(128)

    def fileno(self) -> int:
        return self._listening.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        return self._listening.accept()

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self._end_an_idle_one()
            if not self._places.acquire(timeout=1):
                request.close()
                return
        try:
            Thread(target=self._serve, args=(request, client_address), daemon=True).start()
        except RuntimeError as error:  # the machine has no thread left
            _logger.error("a connection was closed at once: %s", error)
            request.close()
            self._places.release()

    @guarded("collector.http", default=None)
    def _serve(self, connection: socket.socket, client_address: Any) -> None:
        try:
            connection.settimeout(self.settings.request_s)
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self.finish_request(connection, client_address)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        except OSError as error:  # of the connection: the peer is gone, slow, or speaks no TLS
            _logger.debug("a connection ended: %r", error)
        finally:
            connection.close()
            self._places.release()

    def _end_an_idle_one(self) -> None:
        """Its thread finds it at its end."""
        with suppress(OSError, StopIteration, RuntimeError):
            next(iter(self.idle)).shutdown(socket.SHUT_RD)

    def end(self, grace_s: float) -> None:
        """Accept no more, and wait for the connections to end."""
        self.is_ending = True
        self.shutdown()
        self._listening.close()
        until_s = monotonic() + grace_s
        for _ in range(self._all):
            for idle in tuple(self.idle):
                with suppress(OSError):
                    idle.shutdown(socket.SHUT_RD)
            if not self._places.acquire(timeout=max(0.0, until_s - monotonic())):
                return


class _Paced(io.RawIOBase):
    """What a peer sends, until a point in time, and up to so many bytes where they are bounded."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until_s = 0.0
        self.left_bytes: int | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.until_s - monotonic()
        if left_s <= 0:
            raise TimeoutError("the request took too long")
        self._connection.settimeout(left_s)
        came = self._connection.recv_into(buffer)
        if self.left_bytes is not None:
            self.left_bytes -= came
            if self.left_bytes < 0:
                raise HTTPException("the head is too long")
        return came


class _Handler(BaseHTTPRequestHandler):
    """Reads requests from one connection, and writes their answers."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one packet, if it has room in one
    server_version, sys_version = "genai-cost", ""
    error_message_format, error_content_type = "%(message)s\n", "text/plain; charset=utf-8"

    @property
    def _server(self) -> _Server:
        return cast("_Server", self.server)

    def setup(self) -> None:
        super().setup()
        self._paced = _Paced(self.connection)
        self.rfile = cast("Any", io.BufferedReader(self._paced, 1 << 16))

    def handle_one_request(self) -> None:
        """An idle one waits long, unless its place is wanted."""
        self._paced.until_s = monotonic() + _IDLE_S
        self._server.idle[self.connection] = None
        if self._server.is_ending:
            self.close_connection = True
        else:
            super().handle_one_request()
        self._server.idle.pop(self.connection, None)

    def parse_request(self) -> bool:
        """The first line has come: the rest must follow in time."""
        self._server.idle.pop(self.connection, None)
        self._paced.until_s = monotonic() + self._server.settings.request_s
        self._paced.left_bytes = _HEAD_MAX_BYTES
        is_understood = super().parse_request()
        self._paced.left_bytes = None
        if is_understood and len(self.headers) > _HEADERS_MAX:
            self.send_error(431, "Too many headers")
            return False
        return is_understood

    def _answer(self) -> None:
        body = Body(cast("BinaryIO", self.rfile), self.headers)
        reply = self._server.settings.reply(Call(self.command, self.path, self.headers, body))
        is_whole = body.skip_rest(_REST_MAX_BYTES)
        self.close_connection |= self._server.is_ending or not is_whole
        self.connection.settimeout(self._server.settings.request_s)
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its caller's word
        _logger.debug("http: %s", format % args)
