"""What a stand-in does unscripted: token counts follow from a request's text, and words in it make trouble.

Input is a quarter of the text's bytes plus 8, output a third of the input plus 5, but no more than the request allows;
from 128 input tokens on, half of them, in steps of 64, were cached; models whose name begins with `o` or `gpt-5` reason
with half of their output. `[429]` refuses once and then answers, `[500]` always fails, `[disconnect]` ends a stream
early, `[slow]` lets it pause, `[hang]` answers after a second, `[hangonce]` does so every other time; `[for acme]`
names the tenant on the bill.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost.testing.standin.script import Answer, Usage

__all__ = ["Words", "output_limit_of", "tenant_of", "text_of", "usage_of"]

_TEXTS: Final = ("messages", "input", "contents", "content", "prompt", "message", "texts", "query")
"""Where requests have what a model is to read; the first that is there."""

_OUTPUT_LIMITS: Final = (
    ("max_tokens",),
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("generationConfig", "maxOutputTokens"),
    ("inferenceConfig", "maxTokens"),
    ("options", "num_predict"),
)
"""Where requests say how many tokens an answer may have."""

_TENANT: Final = re.compile(r"\[for ([^\]]+)\]")
_HANG_S: Final = 1.0
_SLOW_S: Final = 0.05
_RETRY_AFTER_S: Final = 0.01


def text_of(body: Mapping[str, Any]) -> str:
    """What a request gives a model to read, as JSON; all of it where it stands in no usual place."""
    said = next((body[key] for key in _TEXTS if body.get(key)), None)
    return json.dumps(said or body, default=repr)


def tenant_of(text: str) -> str | None:
    """Whom a request's text says that it is for."""
    found = _TENANT.search(text)
    return found[1] if found else None


def output_limit_of(body: Mapping[str, Any]) -> int | None:
    """How many tokens a request allows the answer to have; None if it does not say."""
    for path in _OUTPUT_LIMITS:
        found: Any = body
        for name in path:
            found = cast("dict[str, Any]", found).get(name) if isinstance(found, dict) else None
        if type(found) is int and found > 0:
            return found
    return None


def usage_of(text: str, model: str, output_limit: int | None = None) -> Usage:
    """As much as the text is long.

    Args:
        text: what a model is given to read.
        model: which one.
        output_limit: how many tokens the answer may have; None for any number.
    """
    tokens_in = len(text.encode()) // 4 + 8
    tokens_out = tokens_in // 3 + 5
    if output_limit is not None:
        tokens_out = min(tokens_out, output_limit)
    return Usage(
        tokens_in,
        tokens_out,
        cache_read_tokens=tokens_in // 2 // 64 * 64 if tokens_in >= 128 else 0,
        reasoning_tokens=tokens_out // 2 if model.startswith(("o", "gpt-5")) else 0,
    )


class Words:
    """The words' answers, and which of their texts were refused before."""

    def __init__(self) -> None:
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, text: str) -> Answer:
        """What the words in a request's text ask for."""
        answer = Answer()
        if "[hang]" in text or ("[hangonce]" in text and self._refuses(text)):
            answer = answer._replace(delay_s=_HANG_S)
        if "[500]" in text:
            return answer._replace(status=500)
        if "[429]" in text and self._refuses(text):
            return answer._replace(
                status=429, message="too many requests", retry_after_s=_RETRY_AFTER_S
            )
        return answer._replace(
            part_delay_s=_SLOW_S if "[slow]" in text else 0,
            ends_after=2 if "[disconnect]" in text else None,
        )

    def _refuses(self, text: str) -> bool:
        """Whether this text is refused for now: every other time it comes."""
        with self._lock:
            refused = text not in self._refused
            (self._refused.add if refused else self._refused.discard)(text)
            return refused
