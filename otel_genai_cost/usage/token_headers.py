"""The token counts in the headers that Bedrock answers with, beside whatever body a model has."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object

__all__ = ["header_usage"]

_HEADERS: Final = {
    "input": "inputTokens",
    "output": "outputTokens",
    "cache-read-input": "cacheReadInputTokens",
    "cache-write-input": "cacheWriteInputTokens",
}
"""What a header counts -> the key of it in Converse's usage object. Both leave the cache out of the input."""

_DIGITS_MAX: Final = 15


def header_usage(response: Object) -> Object:
    """The counts in the headers of a response of boto, as Converse's usage object has them; empty without an input."""
    headers = as_object(as_object(response.get("ResponseMetadata")).get("HTTPHeaders"))
    found = {
        key: int(count)
        for name, key in _HEADERS.items()
        if isinstance(count := headers.get(f"x-amzn-bedrock-{name}-token-count"), str)
        and count.isdecimal()
        and len(count) <= _DIGITS_MAX
    }
    return found if "inputTokens" in found else NOTHING
