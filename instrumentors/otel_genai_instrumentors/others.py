"""Who else traces the calls of a library: the scopes that other instrumentations give their spans of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHERS"]

OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.util.genai.handler",
        "opentelemetry.instrumentation.openai",
        "opentelemetry.instrumentation.openai.v1",
        "openinference.instrumentation.openai",
        "openlit.instrumentation.openai",
        "langfuse-sdk",
    ),
}
