"""A sender by HTTP that sends bytes as they are, and what it sends."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from tests.replay.otlp import chat, protobuf, request, span

PROTOBUF: Final = {"Content-Type": "application/x-protobuf"}
JSON: Final = {"Content-Type": "application/json"}


def call(**more: Any) -> dict[str, Any]:
    return request(span(1, chat(tenant__id="acme", **more)))


def message() -> bytes:
    written: bytes = protobuf(call()).SerializeToString()
    return written


class Answer:
    def __init__(self, response: HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()


def post(
    address: str, body: Any, headers: Mapping[str, str] = PROTOBUF, method: str = "POST"
) -> Answer:
    parts = urlsplit(address)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.request(method, parts.path, body, dict(headers))
        return Answer(connection.getresponse())
    finally:
        connection.close()
