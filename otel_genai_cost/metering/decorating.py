"""How attributes get onto a span that is ending: behind the freeze, where the SDK has one, and within its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otel_genai_cost import attributes as names

__all__ = ["show"]


def show(span: Any, shown: Mapping[str, Any], has_foreign_cost: bool) -> None:
    """Put attributes on an ending span, as far as this SDK lets us. Another library's `gen_ai.usage.cost` gives way."""
    bounded: Any = getattr(span, "_attributes", None)
    plain: Any = getattr(bounded, "_dict", None)
    if has_foreign_cost and plain is not None:
        plain.pop(names.GEN_AI_USAGE_COST, None)
    if span.is_recording():  # an SDK that lets a span be written while it ends, as it should
        span.set_attributes(shown)
    elif plain is not None:
        _put(bounded, plain, shown)


def _put(bounded: Any, plain: dict[str, Any], shown: Mapping[str, Any]) -> None:
    """Put attributes behind the freeze."""
    if bounded.maxlen is None or len(plain) + len(shown) <= bounded.maxlen:
        plain.update(shown)
    else:
        _evict_for(bounded, plain, shown)


def _evict_for(bounded: Any, plain: dict[str, Any], shown: Mapping[str, Any]) -> None:
    """The span has no room: the oldest attributes go and count as dropped, as the SDK does it. Not by the SDK, which
    would also cut values to a limit of their length: half a total is another total."""
    for key, value in shown.items():
        plain.pop(key, None)
        if len(plain) >= bounded.maxlen:
            bounded.dropped += 1
            if not plain:  # a limit of 0
                continue
            del plain[next(iter(plain))]
        plain[key] = value
