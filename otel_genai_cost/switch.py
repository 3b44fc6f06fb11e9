"""Whether this library is on at all: asked before anything else of it is imported."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["FALSE_WORDS", "TRUE_WORDS", "is_off", "sdk_is_disabled"]

TRUE_WORDS: Final = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS: Final = frozenset({"false", "0", "no", "off"})


def is_off() -> bool:
    """Whether the environment switches us off: OTEL_GENAI_COST_ENABLED=false, or OTEL_SDK_DISABLED=true."""
    word = os.environ.get("OTEL_GENAI_COST_ENABLED", "").strip().lower()
    return word in FALSE_WORDS or sdk_is_disabled()


def sdk_is_disabled() -> bool:
    """Whether the SDK makes no spans in this process, as it reads its own switch."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
