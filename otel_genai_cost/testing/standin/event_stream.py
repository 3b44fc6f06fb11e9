"""AWS's binary event stream, in which Bedrock's streams are sent."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["EVENT_STREAM", "aws_event", "aws_exception"]

EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_TEXT: Final = 7
"""The type of a header's value."""


def aws_event(kind: str, payload: Mapping[str, Any]) -> bytes:
    """One event with a JSON payload, such as `messageStart` or `chunk`."""
    return _message(
        {":event-type": kind, ":content-type": "application/json", ":message-type": "event"},
        payload,
    )


def aws_exception(kind: str, message: str) -> bytes:
    """An error within a stream, such as `throttlingException`."""
    return _message(
        {
            ":exception-type": kind,
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        {"message": message},
    )


def _message(headers: Mapping[str, str], payload: Mapping[str, Any]) -> bytes:
    """Lengths and their checksum, headers, payload, and the checksum of all."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    body = json.dumps(payload).encode()
    prelude = struct.pack(">II", len(head) + len(body) + 16, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    name_bytes, value_bytes = name.encode(), value.encode()
    return (
        struct.pack(">B", len(name_bytes))
        + name_bytes
        + struct.pack(">BH", _TEXT, len(value_bytes))
        + value_bytes
    )
