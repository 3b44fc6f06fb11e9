"""Before the calls of the `groq` client."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.gated_method import GatedMethod
from otel_genai_instrumentors.last_parts import last_of_chat
from otel_genai_instrumentors.stainless_gates import SENT, status_error

__all__ = ["GATE"]

GATE: Final = GatedMethod(status_error, SENT, last=last_of_chat)
