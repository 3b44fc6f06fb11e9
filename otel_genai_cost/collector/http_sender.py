"""Requests go to a receiver by HTTP; its status, and when to come again, comes back."""

from __future__ import annotations

import gzip
import select
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from otel_genai_cost.collector.answer import (
    DEADLINE_EXCEEDED,
    OK,
    UNAVAILABLE,
    Answer,
    Metadata,
    code_of_http,
    message_in,
)
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.transport.receiver import Receiver
from otel_genai_cost.transport.tls import client_context

__all__ = ["PATH", "PROTOBUF", "HttpSender"]

PATH: Final = "/v1/traces"
PROTOBUF: Final = "application/x-protobuf"
_KEPT_MAX: Final = 64
"""Connections that are kept for the next requests."""

_ANSWER_MAX_BYTES: Final = 1 << 20
_RETRY_AFTER_MAX_S: Final = 3_600


class HttpSender:
    """Sends by HTTP.

    Args:
        receiver: Where requests go: an address without a path has OTLP's.

    Raises:
        ConfigurationError: if the address or a certificate is none.
    """

    def __init__(self, receiver: Receiver) -> None:
        parts = urlsplit(receiver.endpoint)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if not host:
            raise ConfigurationError(
                "no receiver's address", value=receiver.endpoint, remedy="write http://HOST:PORT"
            )
        self._host, self._port, self._gzip = host, port, receiver.gzip
        self._path = PATH if parts.path in ("", "/") else parts.path
        self._tls = client_context(receiver) if parts.scheme == "https" else None
        self._kept: list[HTTPConnection] = []

    def send(self, request: bytes, metadata: Metadata, timeout_s: float) -> Answer:
        """Send a request, and wait for its answer.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.
            timeout_s: How long to wait.
        """
        connection = self._connection(timeout_s)
        body = gzip.compress(request, 1) if self._gzip else request
        try:
            connection.request("POST", self._path, body, self._headers(metadata))
            response = connection.getresponse()
            answered = response.read(_ANSWER_MAX_BYTES)
        except TimeoutError:
            connection.close()
            return Answer(DEADLINE_EXCEEDED, f"no answer from the receiver in {timeout_s:g} s")
        except (OSError, HTTPException) as error:
            connection.close()
            return Answer(UNAVAILABLE, f"the receiver cannot be reached: {error!r}")
        self._keep(connection, response)
        return _answer(response, answered)

    def close(self) -> None:
        """End all connections."""
        while self._kept:
            self._kept.pop().close()

    def _connection(self, timeout_s: float) -> HTTPConnection:
        while self._kept:
            try:
                kept = self._kept.pop()
            except IndexError:  # another thread had it
                break
            if not _has_ended(kept):
                kept.sock.settimeout(timeout_s)
                return kept
            kept.close()
        if self._tls is None:
            return HTTPConnection(self._host, self._port, timeout=timeout_s)
        return HTTPSConnection(self._host, self._port, timeout=timeout_s, context=self._tls)

    def _keep(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        if response.isclosed() and connection.sock is not None and len(self._kept) < _KEPT_MAX:
            self._kept.append(connection)
        else:
            connection.close()

    def _headers(self, metadata: Metadata) -> Mapping[str, str]:
        said = {
            name: value
            for name, value in metadata
            if isinstance(value, str) and not name.endswith("-bin")
        }
        packed = {"Content-Encoding": "gzip"} if self._gzip else {}
        return {**said, "Content-Type": PROTOBUF, "Accept": PROTOBUF, **packed}


def _has_ended(connection: HTTPConnection) -> bool:
    """Whether the receiver has closed a connection that was kept: there is something to read, and it is the end."""
    poll = select.poll()
    poll.register(connection.sock, select.POLLIN)
    return bool(poll.poll(0))


def _answer(response: HTTPResponse, body: bytes) -> Answer:
    code = code_of_http(response.status)
    kind = response.headers.get("Content-Type", "")
    is_status = kind.startswith(PROTOBUF)
    message = ""
    if code != OK:
        said = message_in(body) if is_status else body[:500].decode(errors="replace").strip()
        message = said or f"HTTP {response.status} {response.reason}"
    retry_after_s = _retry_after(response.headers.get("Retry-After"))
    if response.status == 429 and retry_after_s is None:
        retry_after_s = 1
    return Answer(code, message, body, (), retry_after_s, (response.status, kind))


def _retry_after(header: str | None) -> int | None:
    """In whole seconds from now; a receiver may name a time instead."""
    if header is None:
        return None
    try:
        if header.isdecimal():
            seconds = int(header)
        else:
            seconds = round(
                (parsedate_to_datetime(header) - datetime.now(timezone.utc)).total_seconds()
            )
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0, min(seconds, _RETRY_AFTER_MAX_S))
