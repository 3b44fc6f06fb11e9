"""Requests to a gate: JSON over HTTP/1.1, by the standard library alone, within a time that is kept whatever the other
end does.

Each thread keeps a connection of its own open. One that the gate has closed meanwhile is made anew, once: a reserve has
an id, so that asking twice is asking once.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, cast
from urllib.parse import urlsplit

from otel_genai_cost.forks import Process, here
from otel_genai_cost.gate_protocol import GateDownError, Reply
from otel_genai_cost.timed_socket import give_time, left_s, timed

__all__ = ["GateConnections"]

_BODY_MAX: Final = 65_536
"""Bytes of an answer; a gate's has a few hundred."""

_OPEN_AFTER: Final = 2
"""After so many failures one after the other nobody asks for a while."""

_PAUSE_MIN_S: Final = 0.25
_PAUSE_MAX_S: Final = 15.0


class GateConnections:
    """The connections of a process to its gate.

    Args:
        url: the gate's address.
        token: the bearer token; empty for none.
        timeout_s: within how many seconds an answer is there, from the first byte sent to the last one read.
    """

    def __init__(self, url: str, token: str, timeout_s: float) -> None:
        found = urlsplit(url)
        self._is_tls, self._path = found.scheme == "https", found.path.rstrip("/")
        self._host, self._port = found.hostname or "", found.port
        self._timeout_s = timeout_s
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        self._kept = threading.local()
        self._failures, self._closed_until_s = 0, 0.0

    def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """Send a request and read its answer.

        Args:
            path: such as `/v1/reserve`.
            body: becomes JSON.

        Raises:
            GateDownError: if there is no answer in time, or none that is a JSON object; at once, while others have
                just found that.
        """
        now_s = time.monotonic()
        if now_s < self._closed_until_s:
            raise GateDownError("it gave no answer a moment ago")
        if self._failures >= _OPEN_AFTER:  # this one finds out for all
            self._closed_until_s = now_s + self._timeout_s
        try:
            reply = self._ask(path, json.dumps(body).encode(), now_s + self._timeout_s)
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            self._failed()
            raise GateDownError(f"{type(error).__name__}: {error}"[:200]) from None
        if reply.status >= 500 and not reply.fields.get("scope"):  # else it is about one budget
            self._failed()
            raise GateDownError(f"it answered {reply.status}")
        self._failures, self._closed_until_s = 0, 0.0
        return reply

    def _failed(self) -> None:
        self._failures += 1
        over = self._failures - _OPEN_AFTER
        if over >= 0:
            pause_s = min(_PAUSE_MIN_S * 2 ** min(over, 10), _PAUSE_MAX_S)
            self._closed_until_s = time.monotonic() + pause_s

    def _ask(self, path: str, body: bytes, deadline_s: float) -> Reply:
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, path, body, deadline_s)
            except (ConnectionError, HTTPException):
                kept.close()
        return self._exchange(self._opened(deadline_s), path, body, deadline_s)

    def _take(self) -> HTTPConnection | None:
        """This thread's connection, which nobody else has; none that a parent process uses."""
        found: tuple[Process, HTTPConnection] | None = getattr(self._kept, "connection", None)
        self._kept.connection = None
        if found is None:
            return None
        process, connection = found
        if process is here():
            return connection
        connection.close()  # the child's copy of it alone
        return None

    def _opened(self, deadline_s: float) -> HTTPConnection:
        address = (self._host, self._port or (443 if self._is_tls else 80))
        sock = socket.create_connection(address, timeout=left_s(deadline_s))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._is_tls:
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=self._host)
        kind = HTTPSConnection if self._is_tls else HTTPConnection
        return timed(kind(*address), sock)

    def _exchange(
        self, connection: HTTPConnection, path: str, body: bytes, deadline_s: float
    ) -> Reply:
        give_time(connection, deadline_s)
        try:
            connection.request("POST", self._path + path, body, self._headers)
            response = connection.getresponse()
            content = response.read(_BODY_MAX + 1)
            if len(content) > _BODY_MAX:
                raise ValueError("the answer is too long")
            fields: Any = json.loads(content) if content else {}
            if not isinstance(fields, dict):
                raise ValueError("the answer is no JSON object")
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._kept.connection = (here(), connection)
        return Reply(response.status, cast("dict[str, Any]", fields))
