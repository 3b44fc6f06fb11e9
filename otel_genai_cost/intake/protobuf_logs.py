"""OTLP logs in protobuf, as far as journals travel in them; read as bytes, without a library for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from otel_genai_cost.forwarding.refusals import refusal_body
from otel_genai_cost.forwarding.wire import Part, Refusal, Request, part_of
from otel_genai_cost.transport.fields import (
    BYTES,
    VARINT,
    Field,
    bytes_field,
    fields,
    varint,
    varint_at,
)

__all__ = ["refusal_message", "request_in_protobuf", "status_code", "taken_message"]

_RESOURCE_LOGS: Final = 1 << 3 | BYTES
_SCOPE_LOGS: Final = 2 << 3 | BYTES
_SCOPE: Final = 1 << 3 | BYTES
_LOG_RECORD: Final = 2 << 3 | BYTES
_SCOPE_NAME: Final = 1 << 3 | BYTES
_SCOPE_VERSION: Final = 2 << 3 | BYTES
_BODY: Final = 5 << 3 | BYTES
_ATTRIBUTE: Final = 6 << 3 | BYTES
_EVENT_NAME: Final = 12 << 3 | BYTES
_KEY: Final = 1 << 3 | BYTES
_VALUE: Final = 2 << 3 | BYTES
_TEXT: Final = 1 << 3 | BYTES
_BOOL: Final = 2 << 3 | VARINT
_INT: Final = 3 << 3 | VARINT
_RAW: Final = 7 << 3 | BYTES

_STATUS_CODE: Final = 1 << 3 | VARINT
_STATUS_MESSAGE: Final = 2 << 3 | BYTES
_STATUS_DETAIL: Final = 3 << 3 | BYTES
_ANY_TYPE: Final = 1 << 3 | BYTES
_ANY_VALUE: Final = 2 << 3 | BYTES
_RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
_RETRY_DELAY: Final = 1 << 3 | BYTES
_SECONDS: Final = 1 << 3 | VARINT
_INFO_REASON: Final = 1 << 3 | BYTES
_INFO_DOMAIN: Final = 2 << 3 | BYTES
_INFO_METADATA: Final = 3 << 3 | BYTES
_PARTIAL: Final = 1 << 3 | BYTES
_REJECTED: Final = 1 << 3 | VARINT


def request_in_protobuf(message: bytes) -> Request:
    """What a request in protobuf has.

    Args:
        message: an ExportLogsServiceRequest.

    Raises:
        ValueError: if it is none, or a part of a journal in it makes no sense.
    """
    parts: list[Part] = []
    others = 0
    for scope, start, end in _scope_logs(message):
        for one in _fields(message, start, end, _LOG_RECORD):
            found = _part(message, scope, one)
            if found is None:
                others += 1
            else:
                parts.append(found)
    return Request(tuple(parts), others)


def _scope_logs(message: bytes) -> Iterator[tuple[tuple[str, str], int, int]]:
    for block in _fields(message, 0, len(message), _RESOURCE_LOGS):
        for logs in _fields(message, block.start, block.end, _SCOPE_LOGS):
            name = version = ""
            for scope in _fields(message, logs.start, logs.end, _SCOPE):
                name = _text(message, scope, _SCOPE_NAME)
                version = _text(message, scope, _SCOPE_VERSION)
            yield (name, version), logs.start, logs.end


def _part(message: bytes, scope: tuple[str, str], record: Field) -> Part | None:
    said: dict[str, object] = {}
    content: bytes | None = None
    for pair in _fields(message, record.start, record.end, _ATTRIBUTE):
        for value in _fields(message, pair.start, pair.end, _VALUE):
            said[_text(message, pair, _KEY)] = _value(message, value)
    for body in _fields(message, record.start, record.end, _BODY):
        for raw in _fields(message, body.start, body.end, _RAW):
            content = message[raw.start : raw.end]
    return part_of(*scope, _text(message, record, _EVENT_NAME), said, content)


def _value(message: bytes, value: Field) -> object:
    for one in _fields(message, value.start, value.end):
        if one.tag == _TEXT:
            return message[one.start : one.end].decode()
        if one.tag in (_BOOL, _INT):
            number = varint_at(message, one.start)[0]
            return bool(number) if one.tag == _BOOL else number
    return None


def _text(message: bytes, holder: Field, tag: int) -> str:
    text = ""
    for one in _fields(message, holder.start, holder.end, tag):
        text = message[one.start : one.end].decode()
    return text


def _fields(message: bytes, start: int, end: int, tag: int | None = None) -> Iterator[Field]:
    """The fields of a message, or those of one number and type.

    Raises:
        ValueError: for what is no message.
    """
    for one in fields(message, start, end):
        if tag is None or one.tag == tag:
            yield one


def status_code(refusal: Refusal) -> int:
    """The `google.rpc.Code` of a refusal."""
    code: int = json.loads(refusal_body(refusal))["code"]
    return code


def refusal_message(refusal: Refusal, retry_after_s: int | None) -> bytes:
    """A `google.rpc.Status` in protobuf, with `RetryInfo` if it may be sent again.

    Args:
        refusal: of a reason.
        retry_after_s: when to come again; None for never.
    """
    status = json.loads(refusal_body(refusal))
    (info,) = status["details"]
    said = bytes_field(_INFO_REASON, info["reason"].encode())
    said += bytes_field(_INFO_DOMAIN, info["domain"].encode())
    for key, value in info["metadata"].items():
        pair = bytes_field(_KEY, key.encode()) + bytes_field(_VALUE, value.encode())
        said += bytes_field(_INFO_METADATA, pair)
    written = bytes((_STATUS_CODE,)) + varint(status["code"])
    written += bytes_field(_STATUS_MESSAGE, refusal.message.encode())
    written += bytes_field(_STATUS_DETAIL, _any(info["@type"], said))
    if retry_after_s is not None:
        delay = bytes_field(_RETRY_DELAY, bytes((_SECONDS,)) + varint(retry_after_s))
        written += bytes_field(_STATUS_DETAIL, _any(_RETRY_INFO, delay))
    return written


def _any(kind: str, value: bytes) -> bytes:
    return bytes_field(_ANY_TYPE, kind.encode()) + bytes_field(_ANY_VALUE, value)


def taken_message(others: int) -> bytes:
    """An ExportLogsServiceResponse: so many log records are no part of a journal, and were not kept."""
    if not others:
        return b""
    return bytes_field(_PARTIAL, bytes((_REJECTED,)) + varint(others))
