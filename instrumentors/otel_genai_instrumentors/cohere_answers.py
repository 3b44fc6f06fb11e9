"""Answers of both versions of Cohere's API, as its client has them.

Cohere bills the units that it calls billed. The tokens beside them include those of its own template, and those that it
had cached, at no other price.
"""

from __future__ import annotations

from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.method import LAST, PART, Attributes

__all__ = ["part", "read", "text"]

_STARTS: Final = frozenset({"stream-start", "message-start"})
_ENDS: Final = frozenset({"stream-end", "message-end"})
_IDS: Final = ("id", "generation_id", "response_id")
"""The first version has two, of which a stream begins with the first."""


def read(answer: Any) -> Attributes:
    """The attributes of a whole answer, or of a raw response with it."""
    answer = getattr(answer, "data", answer)
    usage = getattr(answer, "usage", None) or getattr(answer, "meta", None)
    found = described({"id": _id(answer), "usage": _billed(as_json(usage))})
    generations = getattr(answer, "generations", None) or ()
    reasons = [getattr(each, "finish_reason", None) for each in (answer, *generations)]
    if any(reasons):
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = tuple(str(one) for one in reasons if one)
    return found


def _id(holder: Any) -> str | None:
    return next((found for name in _IDS if (found := getattr(holder, name, None))), None)


def _billed(usage: Any) -> dict[str, Any]:
    """Without what is not billed where it is said what is; on Bedrock -1 stands for what is not known."""
    usage = cast("dict[str, Any]", usage) or {}
    units = _known(usage.get("billed_units"))
    return {"billed_units": units} if units else {"tokens": _known(usage.get("tokens"))}


def _known(counts: dict[str, Any] | None) -> dict[str, Any]:
    return {unit: n for unit, n in (counts or {}).items() if n is not None and n >= 0}


def part(learned: Attributes, event: Any) -> int:
    """Fold a part of a stream; the last one has the usage.

    Args:
        learned: attributes, added to.
        event: what the client gives.
    """
    kind = getattr(event, "event_type", None) or getattr(event, "type", None)
    if kind in _STARTS:
        learned[names.GEN_AI_RESPONSE_ID] = _id(event)
    if not (kind in _ENDS or getattr(event, "is_finished", None) is True):
        return PART
    end = getattr(event, "response", None) or getattr(event, "delta", None)
    learned.update(read(end))
    return LAST


def text(event: Any) -> str | None:
    """The text that a part brings."""
    message = getattr(getattr(event, "delta", None), "message", event)
    content = getattr(message, "content", None)
    found = [
        getattr(holder, name, None)
        for holder in (message, content)
        for name in ("text", "thinking", "tool_plan")
    ]
    return "".join(each for each in found if isinstance(each, str)) or None
