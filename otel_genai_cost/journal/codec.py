"""The one seam between records and JSON bytes: msgspec where it is installed, else the standard library.

Both write the same JSON: UTF-8, no spaces, no floats from us, non-ASCII unescaped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from otel_genai_cost.errors import JournalError

__all__ = ["ENCODER_NAME", "decode", "encode"]

_encode: Callable[[Mapping[str, Any]], bytes]
_decode: Callable[[bytes], Any]

try:
    import msgspec

    _encode = msgspec.json.Encoder().encode
    _decode = msgspec.json.Decoder().decode
    _name = "msgspec"
except ImportError:
    _dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def _encode_json(record: Mapping[str, Any]) -> bytes:
        return _dumps(record).encode("utf-8")

    _encode = _encode_json
    _decode = json.loads
    _name = "json"

ENCODER_NAME: Final = _name
encode = _encode


def decode(line: bytes) -> dict[str, Any]:
    """The JSON object in `line`; raises JournalError if it is none."""
    try:
        record = _decode(line)
    except ValueError as error:  # msgspec.DecodeError and json.JSONDecodeError are ValueErrors
        raise JournalError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise JournalError("not a JSON object")
    return cast("dict[str, Any]", record)
