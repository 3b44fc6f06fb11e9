"""Files of results in OpenAI's format: a line for each request of a batch, with the response that its own path would
have given. OpenAI's batches have it, and Groq's, Together's and Mistral's.

A line is read as soon as its bytes have passed, so that of a file of any length no more than a line is kept.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.answers import as_object, described
from otel_genai_instrumentors.method import Attributes

__all__ = ["SEEN_ENCODINGS", "Lines", "is_of_results", "result_in", "result_of"]

SEEN_ENCODINGS: Final = frozenset({"identity", "gzip"})
"""Encodings of a body whose lines are seen as it passes."""

_LINE_MAX_BYTES: Final = 8 * 1024 * 1024
_GZIP: Final = 16 + zlib.MAX_WBITS
_OF_OPENAI: Final = "batch_req_"
_NAMED: Final = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"]+)"')
_ANSWERED: Final = frozenset({200, None})
_SECONDS: Final = "prompt_audio_seconds"
_OPERATIONS: Final[Mapping[str | None, str]] = {
    "chat.completion": "chat",
    "response": "chat",
    "text_completion": "text_completion",
    "list": "embeddings",
}


class Lines:
    """The lines of a body, as its bytes pass.

    Args:
        each: is given every line without its end, and whether that is only its beginning; must not raise.
        encoding: how the bytes are encoded, one of SEEN_ENCODINGS.
    """

    def __init__(self, each: Callable[[bytes, bool], object], encoding: str = "identity") -> None:
        self._each = each
        self._unpacked = zlib.decompressobj(_GZIP) if encoding == "gzip" else None
        self._begun: list[bytes] = []
        self._size, self._is_cut = 0, False

    @guarded("instrumentor.batch", None)
    def add(self, part: bytes) -> None:
        """The next bytes."""
        if self._unpacked is not None:
            part = self._unpacked.decompress(part)
        *ended, rest = part.split(b"\n")
        for piece in ended:
            self._keep(piece)
            self.end()
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= _LINE_MAX_BYTES or not self._begun:
            self._begun.append(piece)
        else:
            self._is_cut = True

    def end(self) -> None:
        """The body, or a line of it, has come to its end."""
        line, is_cut = b"".join(self._begun), self._is_cut
        self._begun, self._size, self._is_cut = [], 0, False
        if line.strip():
            self._each(line, is_cut)


def is_of_results(line: bytes) -> bool:
    """Whether a file that begins with this line holds results: no other does."""
    found = _parsed(line)
    named = found.get("id")
    if isinstance(named, str) and named.startswith(_OF_OPENAI):
        return True
    return "custom_id" in found and ("response" in found or "error" in found)


def result_in(line: bytes, provider: str, *, is_cut: bool) -> Attributes | None:
    """What the request of a line used; None if it was refused, or is none.

    Args:
        line: as it is in the file.
        provider: whose batch it is.
        is_cut: it was too long to be kept: all that is known is that there was a response.
    """
    if not is_cut:
        return result_of(_parsed(line), provider)
    named = _NAMED.match(line)
    return {
        names.GEN_AI_OPERATION_NAME: "batch",
        names.GEN_AI_RESPONSE_ID: named and named[1].decode("utf-8", "replace"),
    }


def result_of(line: Mapping[str, Any], provider: str) -> Attributes | None:
    """The same, of a line as JSON has it. A response without an id is known by its line's. Its tier is the batch.

    Args:
        line: its object.
        provider: whose batch it is.
    """
    response = as_object(line.get("response"))
    body = as_object(response.get("body"))
    if not body or response.get("status_code") not in _ANSWERED:
        return None
    answer = {"id": line.get("id"), **body, "usage": _usage_of(body)}
    found = described(answer, provider)
    found.pop(names.SERVICE_TIER, None)
    operation = "ocr" if "pages" in body else _OPERATIONS.get(body.get("object"), "batch")
    return {**found, names.GEN_AI_OPERATION_NAME: operation}


def _usage_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Mistral counts the pages of documents elsewhere, and bills audio by its length alone."""
    usage = as_object(body.get("usage") or body.get("usage_info"))
    return {_SECONDS: usage[_SECONDS]} if usage.get(_SECONDS) else usage


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        return as_object(json.loads(line))
    except ValueError:
        return {}
