"""The token counts in the headers that Bedrock answers with, beside whatever body a model has."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object

__all__ = ["header_usage"]

_HEADERS: Final = {
    "x-amzn-bedrock-input-token-count": "inputTokens",
    "x-amzn-bedrock-output-token-count": "outputTokens",
    "x-amzn-bedrock-cache-read-input-token-count": "cacheReadInputTokens",
    "x-amzn-bedrock-cache-write-input-token-count": "cacheWriteInputTokens",
}
"""Header -> the key of what it counts in Converse's usage object. Both leave the cache out of the input."""

_DIGITS_MAX: Final = 15


def header_usage(response: Object) -> Object:
    """The counts in the headers of a response of boto, as Converse's usage object has them; empty without an input."""
    headers = as_object(as_object(response.get("ResponseMetadata")).get("HTTPHeaders"))
    if _HEADERS.keys().isdisjoint(headers):  # as nearly all of Converse
        return NOTHING
    found = {
        key: int(count)
        for name, key in _HEADERS.items()
        if isinstance(count := headers.get(name), str)
        and count.isdecimal()
        and len(count) <= _DIGITS_MAX
    }
    return found if "inputTokens" in found else NOTHING
