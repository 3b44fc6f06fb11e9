"""Before the calls of the `openai` client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.gated_method import GatedMethod
from otel_genai_instrumentors.last_parts import last_of_chat, last_of_response
from otel_genai_instrumentors.stainless_gates import SENT, status_error

__all__ = ["GATE"]

_RENAMED: Final = frozenset({"openai", "azure.ai.openai"})
"""Whose newer models refuse the older name of the limit, which all others understand."""


def _limit(kwargs: Mapping[str, Any], provider: str | None) -> str:
    body = SENT.read(kwargs)
    if "input" in body:
        return "max_output_tokens"
    is_chat = "messages" in body
    return "max_completion_tokens" if is_chat and provider in _RENAMED else "max_tokens"


def _last(first: Any, part: Any) -> tuple[Any, ...]:
    return (last_of_response if hasattr(first, "response") else last_of_chat)(first, part)


GATE: Final = GatedMethod(
    status_error, SENT, _limit, last=_last, least_of={"max_output_tokens": 16}
)
