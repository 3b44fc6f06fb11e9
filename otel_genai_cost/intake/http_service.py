"""A receiver by HTTP: OTLP's `/v1/logs`, in JSON or protobuf, and how it is doing."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from otel_genai_cost.forwarding.refusals import refusal_body
from otel_genai_cost.forwarding.wire import (
    AUTHORIZATION,
    DURABILITY,
    EPOCH,
    LEDGER,
    PATH,
    STATUS_OF,
    NewerError,
    Refusal,
    Request,
    request_in,
)
from otel_genai_cost.intake.protobuf_logs import (
    refusal_message,
    request_in_protobuf,
    taken_message,
)
from otel_genai_cost.intake.receiver import RETRY_AFTER_S, Asking, Receiver
from otel_genai_cost.intake.replica import RefusedError
from otel_genai_cost.intake.sender_tokens import SenderTokens
from otel_genai_cost.intake.status import Status
from otel_genai_cost.transport.http_body import BodyError, TooLargeError, unpacked
from otel_genai_cost.transport.http_server import Call, HttpServer, Reply
from otel_genai_cost.transport.room import FullError, Room, Stay

__all__ = ["HttpService", "asking_of", "malformed"]

_JSON: Final = "application/json"
_PROTOBUF: Final = "application/x-protobuf"
_ENCODINGS: Final = ("gzip", "identity")
_OBJECTS: Final = 3
"""How many times its size a request takes while it is read, beside itself."""

_LIKE_JSON: Final = (
    b'{"partialSuccess":{"rejectedLogRecords":"%d","errorMessage":"no part of a journal"}}'
)


class HttpService(HttpServer):
    """Serves by HTTP.

    Args:
        receiver: answers the requests.
        tokens: say whose they are.
        room: for requests on their way.
        status: how it is doing.
        request_max_bytes: the size of the largest, unpacked.
    """

    def __init__(
        self,
        receiver: Receiver,
        tokens: SenderTokens,
        room: Room,
        status: Status,
        *,
        request_max_bytes: int,
    ) -> None:
        self._receiver, self._tokens, self._room = receiver, tokens, room
        self._status, self._request_max_bytes = status, request_max_bytes
        super().__init__(self._reply, shared=False)

    def _reply(self, call: Call) -> Reply:
        path = call.path.partition("?")[0]
        if path != PATH:
            return self._status.reply(call.method, path)
        if call.method != "POST":
            return Reply(405, b"journals are sent by POST\n", headers=(("Allow", "POST"),))
        kind = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        encoding = call.headers.get("Content-Encoding", "identity").strip().lower()
        if kind not in (_PROTOBUF, _JSON) or encoding not in _ENCODINGS:
            said = f"journals are {_PROTOBUF} or {_JSON}, and compressed by gzip if at all\n"
            return Reply(415, said.encode())
        with self._room.stay() as stay:
            found = self._answer(call, stay, kind == _JSON, encoding == "gzip")
        identity = self._receiver.identity
        headers = ((LEDGER, identity.id), (EPOCH, str(identity.epoch)))
        return (
            _refusing(found, kind, headers)
            if isinstance(found, Refusal)
            else _taking(found, kind, headers)
        )

    def _answer(self, call: Call, stay: Stay, is_json: bool, is_gzip: bool) -> Refusal | Request:
        sender = "?"
        try:
            asking = asking_of(self._tokens, call.headers.get)
            sender = asking.sender
            stay.enter()
            body = unpacked(call.body.pieces(), is_gzip, stay.hold, self._request_max_bytes)
            stay.hold(len(body) * _OBJECTS)
            request = request_in(body) if is_json else request_in_protobuf(body)
        except RefusedError as error:
            refusal = error.refusal
        except FullError:
            refusal = Refusal("BUSY", "too many requests at the moment")
        except TooLargeError as error:
            refusal = Refusal("TOO_LARGE", f"{error}; send less at once")
        except (BodyError, ValueError) as error:
            refusal = malformed(error)
        else:
            return self._receiver.answer(asking, request) or request
        return self._receiver.refused(sender, refusal)


def malformed(error: ValueError) -> Refusal:
    """Why a message is not taken that makes no sense, or that only a newer version would understand."""
    return Refusal("NEWER" if isinstance(error, NewerError) else "MALFORMED", str(error))


def asking_of(tokens: SenderTokens, header: Callable[[str, str], str]) -> Asking:
    """What a request says of itself.

    Args:
        tokens: say whose it is.
        header: gives a header's text by its name in lower case, or the other text.

    Raises:
        RefusedError: if it has no token that holds, or asks for what there is not.
    """
    durability, epoch = header(DURABILITY, "pod"), header(EPOCH, "0")
    if durability not in ("pod", "node"):
        raise RefusedError("MALFORMED", f"no durability of a receiver: {durability[:20]!r}")
    if not epoch.isascii() or not epoch.isdecimal() or len(epoch) > 15:
        raise RefusedError("MALFORMED", f"no epoch: {epoch[:20]!r}")
    sender = tokens.sender(header(AUTHORIZATION, ""))
    return Asking(sender, "node" if durability == "node" else "pod", int(epoch), header(LEDGER, ""))


def _taking(request: Request, kind: str, headers: tuple[tuple[str, str], ...]) -> Reply:
    if kind == _PROTOBUF:
        return Reply(200, taken_message(request.others), kind, headers)
    body = _LIKE_JSON % request.others if request.others else b"{}"
    return Reply(200, body, kind, headers)


def _refusing(refusal: Refusal, kind: str, headers: tuple[tuple[str, str], ...]) -> Reply:
    status = STATUS_OF[refusal.reason or "BUSY"]
    again = RETRY_AFTER_S if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    if again is not None:
        headers = (*headers, ("Retry-After", str(again)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers = (*headers, ("WWW-Authenticate", "Bearer"))
    body = refusal_body(refusal) if kind == _JSON else refusal_message(refusal, again)
    return Reply(status, body, kind, headers)
