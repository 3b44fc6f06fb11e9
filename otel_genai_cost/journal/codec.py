"""The one seam between records and JSON bytes: msgspec where it is installed, else the standard library.

Both write the same JSON: UTF-8, no spaces, no floats from us, non-ASCII unescaped. Text that has no UTF-8 (a service's
name from an environment in another encoding) gets a `?` for what cannot be written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, cast

from otel_genai_cost.errors import JournalError

__all__ = ["decode", "decode_any", "encode", "encode_lossy", "encode_spaced"]

_encode: Callable[[object], bytes]
_encode_spaced: Callable[[object], str]
_decode: Callable[[bytes], Any]

try:
    import msgspec

    _encode = msgspec.json.Encoder().encode
    _decode = msgspec.json.Decoder().decode
    _format = msgspec.json.format

    def _format_json(record: object) -> str:
        return _format(_encode(record), indent=0).decode()

    _encode_spaced = _format_json
except ImportError:
    _dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def _encode_json(record: object) -> bytes:
        return _dumps(record).encode("utf-8")

    _encode = _encode_json
    _dumps_spaced = json.JSONEncoder(ensure_ascii=False).encode

    def _encode_spaced_json(record: object) -> str:
        return _dumps_spaced(record).encode("utf-8").decode("utf-8")

    _encode_spaced = _encode_spaced_json

    def _refused(word: str) -> None:
        raise ValueError(f"{word} is no number of JSON")

    _loads = json.JSONDecoder(parse_constant=_refused).decode

    def _decode_json(text: bytes | str) -> Any:
        said = text if isinstance(text, str) else str(text, "utf-8")
        value = _loads(said)
        if "\\u" in said:
            _encode_json(value)  # half a pair of surrogates could never be written again
        return value

    _decode = _decode_json

encode = _encode
"""The JSON of a record, or of a part of one; a text that has no UTF-8 is a UnicodeEncodeError."""


def encode_lossy(record: object) -> bytes:
    """The JSON of a record, or of a part of one, with a `?` for what has no UTF-8."""
    try:
        return encode(record)
    except UnicodeEncodeError:
        return encode(_writable(record))


def encode_spaced(record: object) -> str:
    """The JSON of a record as commands print it: one line, with a space after each comma and colon; one that has no
    UTF-8 is escaped."""
    try:
        return _encode_spaced(record)
    except UnicodeEncodeError:
        return json.dumps(record)


def _writable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        parts = cast("Mapping[str, object]", value)
        return {str(_writable(key)): _writable(part) for key, part in parts.items()}
    if isinstance(value, (list, tuple)):
        return [_writable(part) for part in cast("list[object]", value)]
    return value


def decode(line: bytes) -> dict[str, Any]:
    """The JSON object in a line.

    Raises:
        JournalError: if it is none.
    """
    record = decode_any(line)
    if not isinstance(record, dict):
        raise JournalError("not a JSON object")
    return cast("dict[str, Any]", record)


def decode_any(text: bytes) -> Any:
    """What a JSON text says, of whatever kind.

    Raises:
        JournalError: if it is none.
    """
    try:
        return _decode(text)
    except (ValueError, RecursionError) as error:  # both libraries' decode errors are ValueErrors
        raise JournalError(f"not JSON: {error}") from None
