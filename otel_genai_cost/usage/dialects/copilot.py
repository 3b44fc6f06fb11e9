"""GitHub Copilot's own spans, of its command line and of VS Code: the conventions, with the cache inside the input.

`github.copilot.aiu` are billionths of the credits that GitHub bills by, at a hundredth of a dollar: its own figure, and
the list prices' too.
"""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.read import Known, Reading, SpanView

__all__ = ["READS", "read"]

_CREDITS: Final = ("github.copilot.aiu", "github.copilot.nano_aiu")
_PER_CREDIT: Final = 10**9
_PER_USD: Final = 100 * _PER_CREDIT
_LIMIT: Final = 10**18
READS: Final = frozenset((*_CREDITS, "github.copilot.cost", "copilot_chat.cost"))


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    reading = conventional(span, known)
    if reading is None:
        return None
    credits_ = next((span.attributes[name] for name in _CREDITS if name in span.attributes), None)
    if type(credits_) is not int or not 0 < credits_ < _LIMIT:
        return reading
    dollars, rest = divmod(credits_, _PER_USD)
    return reading._replace(foreign_cost=f"{dollars}.{rest:011d}")
