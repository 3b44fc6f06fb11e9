"""The hop as OTLP's HTTP service for traces: protobuf or JSON, compressed or not."""

from __future__ import annotations

import json
from typing import Final

from otel_genai_cost.collector.answer import (
    COME_AGAIN,
    INVALID_ARGUMENT,
    OK,
    RESOURCE_EXHAUSTED,
    Answer,
    http_status,
    message_in,
    status_message,
)
from otel_genai_cost.collector.exchange import Exchange
from otel_genai_cost.collector.http_sender import PATH, PROTOBUF
from otel_genai_cost.otlp.json_wire import protobuf_of_json, response_in_json
from otel_genai_cost.transport.http_body import BodyError, TooLargeError, unpacked
from otel_genai_cost.transport.http_server import Call, HttpServer, Reply
from otel_genai_cost.transport.room import FullError, Stay

__all__ = ["HttpService"]

_JSON: Final = "application/json"
_ENCODINGS: Final = ("gzip", "identity")
_OWN_HEADERS: Final = frozenset(
    [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ]
)
"""What each connection says for itself."""

_OBJECTS: Final = 8
"""How many times its size a request in JSON takes while it is read."""


class HttpService(HttpServer):
    """Serves by HTTP.

    Args:
        exchange: Answers the requests.
        request_max_bytes: The size of the largest, unpacked.
        shared: Whether other processes may listen at the same address.
    """

    def __init__(
        self, exchange: Exchange, *, request_max_bytes: int = 1 << 26, shared: bool = True
    ) -> None:
        self._exchange, self._request_max_bytes = exchange, request_max_bytes
        super().__init__(self._reply, shared=shared)

    def _reply(self, call: Call) -> Reply:
        if call.path.partition("?")[0] != PATH:
            return Reply(404, f"spans are taken at {PATH}\n".encode())
        if call.method != "POST":
            return Reply(405, b"spans are sent by POST\n", headers=(("Allow", "POST"),))
        kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        encoding = call.headers.get("Content-Encoding", "identity").strip().lower()
        if kind not in (PROTOBUF, _JSON) or encoding not in _ENCODINGS:
            said = f"spans are {PROTOBUF} or {_JSON}, and compressed by gzip if at all\n"
            return Reply(415, said.encode())
        with self._exchange.room.stay() as stay:
            answer = self._answer(call, stay, is_json=kind == _JSON, is_gzip=encoding == "gzip")
        return _in_json(answer) if kind == _JSON else _in_protobuf(answer)

    def _answer(self, call: Call, stay: Stay, *, is_json: bool, is_gzip: bool) -> Answer:
        refused = self._exchange.refused
        try:
            max_bytes = self._request_max_bytes // (_OBJECTS if is_json else 1)
            request = unpacked(call.body.pieces(), is_gzip, stay.hold, max_bytes)
            if is_json:
                stay.hold(len(request) * (_OBJECTS - 1))
                request = protobuf_of_json(request)
        except FullError:
            return refused("http", COME_AGAIN)
        except TooLargeError as error:
            return refused("http", Answer(RESOURCE_EXHAUSTED, str(error)))
        except (BodyError, ValueError) as error:
            return refused("http", Answer(INVALID_ARGUMENT, str(error)))
        return self._exchange.answer("http", stay, request, _passed_on(call))


def _passed_on(call: Call) -> list[tuple[str, str | bytes]]:
    """What the caller said beside its request, a tenant's credentials for example."""
    said = [(name.lower(), value) for name, value in call.headers.items()]
    return [(name, value) for name, value in said if name not in _OWN_HEADERS]


def _in_protobuf(answer: Answer) -> Reply:
    body, kind = answer.body, PROTOBUF
    if answer.http is not None and answer.http[1]:
        kind = answer.http[1]
    elif answer.code != OK and not body:
        body = status_message(answer)
    return Reply(http_status(answer), body, kind, _retry_after(answer))


def _in_json(answer: Answer) -> Reply:
    if answer.code == OK:
        body = response_in_json(answer.body)
    else:
        message = answer.message or message_in(answer.body)
        body = json.dumps({"code": answer.code, "message": message}).encode()
    return Reply(http_status(answer), body, _JSON, _retry_after(answer))


def _retry_after(answer: Answer) -> tuple[tuple[str, str], ...]:
    if answer.retry_after_s is None:
        return ()
    return (("Retry-After", str(answer.retry_after_s)),)
