"""What a gate holds for a call: how much of its answer that pays for, and whether more of it has come."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from otel_genai_cost.admission import Admitted, Ask, Gate

__all__ = ["Held", "measured"]

_TOKENS_PER_BYTE: Final = 0.5
"""Of a model that nothing was measured of: twice what English has, and more than most text has in any language."""

_BYTES_MIN: Final = 256
"""A shorter answer says little of a model."""

_MODELS_MAX: Final = 256
_KEPT: Final = 0.9
"""How much of what was measured before stays, where a new answer has fewer tokens a byte; one that has more counts at
once."""

_EXTEND_MIN: Final = 256

_ratios: OrderedDict[Any, float] = OrderedDict()


def measured(model: Any, output_tokens: Any, text_bytes: int) -> None:
    """Take in how many tokens the text of a whole answer was.

    Args:
        model: that answered.
        output_tokens: of its text, as the provider counts; anything but a number is none.
        text_bytes: of the text.
    """
    if type(output_tokens) is not int or output_tokens <= 0 or text_bytes < _BYTES_MIN:
        return
    now = output_tokens / text_bytes
    before = _ratios.pop(model, now)
    _ratios[model] = max(now, _KEPT * before + (1 - _KEPT) * now)
    if len(_ratios) > _MODELS_MAX:
        _ratios.popitem(last=False)


class Held:
    """What is held for one call.

    Args:
        gate: that holds it.
        ask: what it was asked.
        admitted: what it said.
        is_bounded: whether the provider was told to write no more than is paid for.
    """

    __slots__ = ("_more", "_per_byte", "gate", "id", "is_watched", "text_bytes", "tokens")

    def __init__(self, gate: Gate, ask: Ask, admitted: Admitted, *, is_bounded: bool) -> None:
        self.gate, self.id, self.text_bytes = gate, ask.who.id, 0
        self.tokens = admitted.max_tokens or 0
        self.is_watched = not is_bounded and bool(admitted.held) and self.tokens > 0
        self._per_byte = _ratios.get(admitted.model or ask.model, _TOKENS_PER_BYTE)
        self._more = max(_EXTEND_MIN, self.tokens // 4)

    def is_outgrown(self, text: str | None) -> bool:
        """Whether with this text more has come, by all that is known of the model, than is paid for."""
        if text:
            self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "ignore"))
        return self.text_bytes * self._per_byte > self.tokens

    def extend(self) -> bool:
        """Have more held; whether the answer may go on. Blocks."""
        wanted = self.tokens + self._more
        if not self.gate.extend(self.id, max_tokens=wanted):
            return False
        self.tokens = wanted
        return True
