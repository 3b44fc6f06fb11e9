"""Journals go by HTTP/1.1, by the standard library alone: over TCP, TLS or a socket of this machine, past any proxy.

One connection is kept open. A request is done within a time, whatever the other end does; one that was sent may have
been taken though no answer came, and is sent again: that changes nothing.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Final

from otel_genai_cost.forwarding.answer import Answer
from otel_genai_cost.forwarding.destination import Destination
from otel_genai_cost.forwarding.folder import Life
from otel_genai_cost.forwarding.refusals import refusal_in
from otel_genai_cost.forwarding.wire import (
    AUTHORIZATION,
    DURABILITY,
    EPOCH,
    LEDGER,
    PATH,
    Part,
    Refusal,
    request_body,
)
from otel_genai_cost.timed_socket import give_time, left_s, timed

__all__ = ["HttpReceiver"]

_ANSWER_MAX_BYTES: Final = 65_536
_TOKEN_MAX_BYTES: Final = 16_384
_IDLE_MAX_S: Final = 4.0
"""A connection that was idle for longer is not trusted: whoever was frozen meanwhile finds it dead."""


class HttpReceiver:
    """A receiver at the other end of a connection. For one thread at a time.

    Args:
        destination: where it is, and what is said to it.
        timeout_s: within how many seconds a request is answered, from the first byte sent to the last one read.
    """

    def __init__(self, destination: Destination, timeout_s: float = 10.0) -> None:
        self._to, self._timeout_s = destination, timeout_s
        self._connection: HTTPConnection | None = None
        self._used_s = 0.0
        self._is_new = False

    def send(self, parts: Sequence[Part], seen: Life | None) -> Answer:
        """Send parts of journals, and wait for the answer.

        Args:
            parts: in their order; none to ask who is there.
            seen: who answered last, in the latest life that was seen of it.
        """
        body = gzip.compress(request_body(parts), 1)
        deadline_s = time.monotonic() + self._timeout_s
        self._is_new = False
        try:
            response, said = self._exchange(body, self._headers(seen), deadline_s)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            return Answer(0, refusal=Refusal(None, f"{type(error).__name__}: {error}"[:300]))
        return _answer(response, said)._replace(is_first=self._is_new)

    def close(self) -> None:
        """End the connection; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, body: bytes, headers: Mapping[str, str], deadline_s: float
    ) -> tuple[HTTPResponse, bytes]:
        kept = self._connection
        if kept is not None and time.time() - self._used_s <= _IDLE_MAX_S:
            try:
                return self._ask(kept, body, headers, deadline_s)
            except (ConnectionError, HTTPException):  # it was closed meanwhile
                pass
        self.close()
        self._is_new = True
        address = self._to.address
        opened = HTTPConnection(address.host or "localhost", address.port or None)
        self._connection = timed(opened, self._socket(deadline_s))
        return self._ask(self._connection, body, headers, deadline_s)

    def _ask(
        self,
        connection: HTTPConnection,
        body: bytes,
        headers: Mapping[str, str],
        deadline_s: float,
    ) -> tuple[HTTPResponse, bytes]:
        give_time(connection, deadline_s)
        connection.request("POST", self._to.address.path or PATH, body, headers)
        response = connection.getresponse()
        said = response.read(_ANSWER_MAX_BYTES + 1)
        if len(said) > _ANSWER_MAX_BYTES:
            raise ValueError("the answer is too long")
        self._used_s = time.time()
        if connection.sock is None:  # pyright: ignore[reportUnnecessaryComparison] -- closed by the other end
            self._connection = None
        return response, said

    def _socket(self, deadline_s: float) -> socket.socket:
        address = self._to.address
        if address.unix:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(left_s(deadline_s))
                sock.connect(address.unix)
            except OSError:
                sock.close()
                raise
            return sock
        sock = socket.create_connection((address.host, address.port), timeout=left_s(deadline_s))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not address.is_tls:
            return sock
        try:
            return self._context().wrap_socket(sock, server_hostname=address.host)
        except (OSError, ValueError):
            sock.close()
            raise

    def _context(self) -> ssl.SSLContext:
        """Made for each connection: certificates are replaced while we run."""
        context = ssl.create_default_context(cafile=self._to.ca)
        if self._to.cert is not None:
            context.load_cert_chain(self._to.cert, self._to.key)
        return context

    def _headers(self, seen: Life | None) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "content-encoding": "gzip",
            DURABILITY: self._to.asked,
        }
        if seen is not None:
            headers |= {LEDGER: seen.ledger, EPOCH: str(seen.epoch)}
        token = self._token()
        if token:
            headers[AUTHORIZATION] = f"Bearer {token}"
        return headers

    def _token(self) -> str:
        if self._to.token_file is None:
            return self._to.token
        with self._to.token_file.open("r", encoding="utf-8") as file:
            return file.read(_TOKEN_MAX_BYTES).strip()


def _answer(response: HTTPResponse, said: bytes) -> Answer:
    ledger, epoch = response.headers.get(LEDGER, ""), response.headers.get(EPOCH, "")
    is_known = bool(ledger) and epoch.isascii() and epoch.isdecimal() and len(epoch) < 16
    life = Life(ledger[:128], int(epoch)) if is_known else None
    refusal = None if response.status == 200 else refusal_in(said)
    return Answer(response.status, life, refusal, _seconds(response.headers.get("retry-after")))


def _seconds(text: str | None) -> float | None:
    """Of a Retry-After; a time of day, which clocks disagree of, says nothing."""
    if text is None or not text.isascii() or not text.isdecimal():
        return None
    return float(text[:9])
