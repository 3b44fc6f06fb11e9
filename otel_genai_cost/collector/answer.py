"""What a sender is answered, in the words of gRPC and of HTTP: OTLP says how they correspond.

A request that may be sent again stays one, whichever protocol its answer goes through: a sender drops what it is told
not to send again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from otel_genai_cost.transport.fields import (
    BYTES,
    VARINT,
    Field,
    WireError,
    bytes_field,
    fields,
    varint,
    varint_at,
)

__all__ = [
    "COME_AGAIN",
    "DEADLINE_EXCEEDED",
    "INVALID_ARGUMENT",
    "NOT_JOURNALLED",
    "OK",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "Answer",
    "Metadata",
    "code_of_http",
    "code_word",
    "http_status",
    "message_in",
    "retry_after_in",
    "status_message",
]

Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]
"""What is said beside a request or an answer, by names in lower case."""

_CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
"""`google.rpc.Code`, by number."""

OK: Final = 0
INVALID_ARGUMENT: Final = 3
DEADLINE_EXCEEDED: Final = 4
RESOURCE_EXHAUSTED: Final = 8
UNAVAILABLE: Final = 14
_INTERNAL: Final = 13

_HTTP_OF: Final[Mapping[int, int]] = {0: 200, 3: 400, 16: 401, 7: 403, 12: 404} | dict.fromkeys(
    (1, 4, 10, 11, 14, 15), 503
)
"""All others are 500, which nobody sends again."""

_CODE_OF: Final[Mapping[int, int]] = {400: 3, 401: 16, 403: 7, 404: 12, 413: 8, 429: 8} | (
    dict.fromkeys((502, 503, 504), 14)
)
_TYPE: Final = b"type.googleapis.com/google.rpc.RetryInfo"

_STATUS_CODE: Final = 1 << 3 | VARINT
_STATUS_MESSAGE: Final = 2 << 3 | BYTES
_STATUS_DETAIL: Final = 3 << 3 | BYTES
_ANY_TYPE: Final = 1 << 3 | BYTES
_ANY_VALUE: Final = 2 << 3 | BYTES
_RETRY_DELAY: Final = 1 << 3 | BYTES
_SECONDS: Final = 1 << 3 | VARINT
_NANOS: Final = 2 << 3 | VARINT


class Answer(NamedTuple):
    """What a receiver, or the hop itself, says to a request.

    Attributes:
        code: One of `google.rpc.Code`.
        message: What is wrong, if anything is.
        body: An ExportTraceServiceResponse where nothing is wrong, else a `google.rpc.Status`; may be empty.
        metadata: What else a receiver said by gRPC.
        retry_after_s: When to come again; None where nothing was said of that.
        http: The status of a receiver that answered by HTTP, and the type of its body.
    """

    code: int
    message: str = ""
    body: bytes = b""
    metadata: Metadata = ()
    retry_after_s: int | None = None
    http: tuple[int, str] | None = None


def code_word(code: int) -> str:
    """The name of one of `google.rpc.Code`."""
    return _CODES[code] if 0 <= code < len(_CODES) else "UNKNOWN"


def code_of_http(status: int) -> int:
    """The code of `google.rpc` that a sender takes as it would take this status of HTTP."""
    return OK if 200 <= status < 300 else _CODE_OF.get(status, _INTERNAL)


def http_status(answer: Answer) -> int:
    """The status of HTTP that a sender takes as it would take this answer by gRPC.

    Where RESOURCE_EXHAUSTED does not say when to come again, the request is too large, and will be.
    """
    if answer.http is not None:
        return answer.http[0]
    if answer.code == RESOURCE_EXHAUSTED:
        return 413 if answer.retry_after_s is None else 429
    return _HTTP_OF.get(answer.code, 500)


def status_message(answer: Answer) -> bytes:
    """A `google.rpc.Status` that says the same, with `RetryInfo` if it is to come again.

    Without that, RESOURCE_EXHAUSTED tells a sender to drop its spans.
    """
    written = bytes((_STATUS_CODE, answer.code))
    if answer.message:
        written += bytes_field(_STATUS_MESSAGE, answer.message.encode())
    if answer.retry_after_s is not None:
        delay = bytes((_SECONDS,)) + varint(answer.retry_after_s)
        retry = bytes_field(_ANY_VALUE, bytes_field(_RETRY_DELAY, delay))
        written += bytes_field(_STATUS_DETAIL, bytes_field(_ANY_TYPE, _TYPE) + retry)
    return written


def message_in(status: bytes) -> str:
    """What is wrong, by a `google.rpc.Status`; nothing for bytes that are none."""
    return b"".join(_values(status, _STATUS_MESSAGE)[-1:]).decode(errors="replace")


def retry_after_in(status: bytes) -> int | None:
    """The whole seconds after which to come again, by a `google.rpc.Status` with `RetryInfo`; None without."""
    for detail in _values(status, _STATUS_DETAIL):
        if _values(detail, _ANY_TYPE)[-1:] == [_TYPE]:
            for retry in _values(detail, _ANY_VALUE):
                delay = b"".join(_values(retry, _RETRY_DELAY))
                return _number(delay, _SECONDS) + bool(_number(delay, _NANOS))
    return None


def _values(message: bytes, tag: int) -> list[bytes]:
    """What the fields of this tag hold; nothing for bytes that are no message."""
    return [message[one.start : one.end] for one in _fields(message) if one.tag == tag]


def _number(message: bytes, tag: int) -> int:
    numbers = [varint_at(message, one.start)[0] for one in _fields(message) if one.tag == tag]
    return numbers[-1] if numbers else 0


def _fields(message: bytes) -> list[Field]:
    try:
        return list(fields(message, 0, len(message)))
    except WireError:
        return []


NOT_JOURNALLED: Final = Answer(
    UNAVAILABLE, "the journal cannot be written, and calls would be lost", retry_after_s=5
)
COME_AGAIN: Final = Answer(
    RESOURCE_EXHAUSTED, "no room for another request at the moment", retry_after_s=1
)
