"""What a call used that ended before its provider said so: bounds, and what is likely.

Counted is what was asked and what arrived, as text. A token is from one byte of UTF-8 to 128, and likely four (OpenAI's
rule of thumb for English). A tokeniser of the model that the application has loaded counts what arrived. What the
provider went on to generate is bounded only by what the caller allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.usage.asked import Asked

__all__ = ["Arrived", "estimate"]

Attributes = dict[str, Any]

_BYTES_PER_TOKEN: Final = 4
_TEXT_MAX: Final = 16_384
"""Characters that a tokeniser is given; of more, bytes are counted."""

_TOKEN_BYTES_MAX: Final = 128
"""No vocabulary that is known has a longer token: so many spaces are one."""


class Arrived:
    """The text of the parts of a stream: counted, and its beginning kept for a tokeniser."""

    __slots__ = ("_kept", "_pieces", "text_bytes")

    def __init__(self) -> None:
        self.text_bytes = self._kept = 0
        self._pieces: list[str] = []

    def add(self, text: str | None) -> None:
        """A part has come, perhaps with text."""
        if not text:
            return
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "ignore"))
        if self._kept <= _TEXT_MAX:
            self._kept += len(text)
            self._pieces.append(text)

    @property
    def text(self) -> str | None:
        """All of it; None if that is too long."""
        return "".join(self._pieces) if self._kept <= _TEXT_MAX else None


_APART: Final = frozenset({names.GEN_AI_USAGE_AUDIO_OUTPUT, names.GEN_AI_USAGE_IMAGE_OUTPUT})
_NOTHING: Final = Arrived()


def estimate(
    learned: Attributes, model: Any, request: Asked, arrived: Arrived | None
) -> Attributes:
    """Attributes with what is likely of the totals that were not reported.

    Args:
        learned: what was reported. The output that an unfinished answer had counted until then is taken out of it:
            that is the least, no total.
        model: the model that answered, or was asked.
        request: what was asked.
        arrived: what came; None if nothing can have.
    """
    found: Attributes = {}
    if names.GEN_AI_USAGE_INPUT_TOKENS not in learned and request.text_bytes is not None:
        is_read = names.UNFINISHED in learned  # an answer had begun
        least = -(-request.text_bytes // _TOKEN_BYTES_MAX) if is_read else 0
        likely = request.text_bytes // _BYTES_PER_TOKEN
        found[names.ESTIMATE_INPUT] = _bounds(least, likely, request.input_max)
        found[names.ESTIMATE_METHOD] = "bytes"
    so_far = _so_far(learned)
    if names.GEN_AI_USAGE_OUTPUT_TOKENS not in learned:
        found.update(_output(model, request.output_max, arrived or _NOTHING, so_far))
    return found


def _so_far(learned: Attributes) -> int:
    """The output of an unfinished answer that counted as it came; nothing where other kinds of output have a price of
    their own, since these cannot be told from it."""
    so_far = learned.get(names.GEN_AI_USAGE_OUTPUT_TOKENS)
    if names.UNFINISHED not in learned or type(so_far) is not int or _APART.intersection(learned):
        return 0
    for name in (names.GEN_AI_USAGE_OUTPUT_TOKENS, names.GEN_AI_USAGE_REASONING):
        learned.pop(name, None)
    return so_far


def _output(model: Any, limit: int | None, arrived: Arrived, so_far: int) -> Attributes:
    least = max(so_far, -(-arrived.text_bytes // _TOKEN_BYTES_MAX))
    counted = _tokenised(model, arrived.text)
    method, likely = counted or ("bytes", -(-arrived.text_bytes // _BYTES_PER_TOKEN))
    return {names.ESTIMATE_OUTPUT: _bounds(least, likely, limit), names.ESTIMATE_METHOD: method}


def _bounds(least: int, likely: int, most: int | None) -> list[int]:
    """At least, likely, and at most if that is known."""
    likely = max(least, likely)
    return [least, likely] if most is None else [least, likely, max(most, likely)]


@guarded("usage.tokenise", None)
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
