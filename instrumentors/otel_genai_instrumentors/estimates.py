"""What a call used that ended before its provider said so: bounds, and what is likely.

Counted is what was asked and what arrived, as text. A token is at least one byte of UTF-8, and a part of a stream that
brings text at least one token; four bytes a token are likely (OpenAI's rule of thumb for English). A tokeniser of the
model that the application has loaded counts what arrived. What the provider went on to generate is bounded only by what
the caller allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.method import Attributes

__all__ = ["Arrived", "Asked", "asked", "estimate"]

_BYTES_PER_TOKEN: Final = 4
_NODES_MAX: Final = 10_000
_TEXT_MAX: Final = 65_536
"""Characters that a tokeniser is given; of more, bytes are counted."""

_LIMITS: Final = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "maxOutputTokens",
        "maxTokens",
        "max_new_tokens",
        "max_gen_len",
        "maxTokenCount",
        "num_predict",
    }
)
_NOT_ASKED: Final = frozenset(
    {"model", "extra_headers", "extra_query", "timeout", "user", "metadata", "options"}
)
"""Arguments that are no part of what the model reads."""

_NOT_TEXT: Final = frozenset(
    {"inlineData", "inline_data", "fileData", "file_data", "cachedContent", "cached_content"}
)
"""Parts of a request to Gemini that are read, and whose size in tokens their text does not show."""


class Asked(NamedTuple):
    """A request: the bytes of its text, None where there is more in it than text, and how many tokens it allows."""

    text_bytes: int | None = None
    output_max: int | None = None


def asked(request: Any) -> Asked:
    """What a request asks for.

    Args:
        request: keyword arguments, or a body; walked, never changed, and no longer than 10,000 values.
    """
    text_bytes, limit, is_text = 0, None, True
    left: list[tuple[str, Any]] = [("", request)]
    for _ in range(_NODES_MAX):
        if not left:
            return Asked(text_bytes if is_text else None, limit)
        key, value = left.pop()
        if key in _LIMITS and type(value) is int:
            limit = value
        elif key in _NOT_TEXT or isinstance(value, (bytes, bytearray)):
            is_text = False
        elif isinstance(value, str):
            is_text = is_text and value[:5] != "data:"
            text_bytes += len(value.encode("utf-8", "ignore")) if is_text else 0
        else:
            left.extend(_inner(value))
    return Asked(None, limit)


def _inner(value: Any) -> Iterable[tuple[str, Any]]:
    """What a value of a request consists of, under its name."""
    if isinstance(value, (list, tuple)):
        return [("", item) for item in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        value = getattr(value, "__dict__", {})
    fields = cast("Mapping[str, Any]", value)
    return [(key, fields[key]) for key in fields if key not in _NOT_ASKED]


class Arrived:
    """The text of the parts of a stream: counted, and its beginning kept for a tokeniser."""

    __slots__ = ("_kept", "_pieces", "parts", "text_bytes")

    def __init__(self) -> None:
        self.parts = self.text_bytes = self._kept = 0
        self._pieces: list[str] = []

    def add(self, text: str | None) -> None:
        """A part has come, perhaps with text."""
        if not text:
            return
        self.parts += 1
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "ignore"))
        if self._kept <= _TEXT_MAX:
            self._kept += len(text)
            self._pieces.append(text)

    @property
    def text(self) -> str | None:
        """All of it; None if that is too long."""
        return "".join(self._pieces) if self._kept <= _TEXT_MAX else None


_NOTHING: Final = Arrived()


def estimate(
    learned: Attributes, model: Any, request: Asked, arrived: Arrived | None
) -> Attributes:
    """Attributes with what is likely of the totals that were not reported.

    Args:
        learned: what was reported.
        model: the model that answered, or was asked.
        request: what was asked.
        arrived: what came; None if nothing can have.
    """
    found: Attributes = {}
    if names.GEN_AI_USAGE_INPUT_TOKENS not in learned and request.text_bytes is not None:
        found[names.ESTIMATE_INPUT] = [
            0,
            request.text_bytes // _BYTES_PER_TOKEN,
            request.text_bytes,
        ]
        found[names.ESTIMATE_METHOD] = "bytes"
    if names.GEN_AI_USAGE_OUTPUT_TOKENS not in learned:
        found.update(_output(model, request.output_max, arrived or _NOTHING))
    return found


def _output(model: Any, limit: int | None, arrived: Arrived) -> Attributes:
    counted = _tokenised(model, arrived.text)
    if counted is None:
        method, least = "bytes", min(arrived.parts, arrived.text_bytes)
        likely = max(least, -(-arrived.text_bytes // _BYTES_PER_TOKEN))
    else:
        (method, likely), least = counted, counted[1]
    bounds = [least, likely] if limit is None else [least, likely, max(limit, likely)]
    return {names.ESTIMATE_OUTPUT: bounds, names.ESTIMATE_METHOD: method}


@guarded("instrumentor.tokenise", None)
def _tokenised(model: Any, text: str | None) -> tuple[str, int] | None:
    """By a tokeniser of the model that the application has loaded; to load one may mean to download it."""
    tiktoken: Any = sys.modules.get("tiktoken")
    known: Any = sys.modules.get("tiktoken.registry")
    if known is None or not text or not isinstance(model, str):
        return None
    name = _encoding_of(tiktoken, model)
    loaded: Mapping[str, Any] = known.ENCODINGS
    if name is None or name not in loaded:
        return None
    return f"tiktoken {name}", len(loaded[name].encode(text, disallowed_special=()))


def _encoding_of(tiktoken: Any, model: str) -> str | None:
    try:
        name: str = tiktoken.encoding_name_for_model(model)
    except KeyError:
        return None
    return name
