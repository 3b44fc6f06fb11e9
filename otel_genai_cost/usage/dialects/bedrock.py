"""Amazon Bedrock through boto: `genai-bedrock` and the botocore extension. Input leaves the cache out.

InvokeModel's numbers are the vendor's own. The extension takes none of their cache counts, and makes up the tokens of
models that report none.
"""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.conventions import conventional
from otel_genai_cost.usage.counts import estimated
from otel_genai_cost.usage.leaves import UNTRUSTED
from otel_genai_cost.usage.read import Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of, word

__all__ = ["read", "read_botocore"]

_MADE_UP: Final = re.compile(r"mistral\.|cohere\.command")
_HAS_CACHE: Final = re.compile(r"anthropic\.|amazon\.nova|^arn:")
_NOVA: Final = re.compile(r"amazon\.nova")
_CACHE: Final = ("cache_read", "cache_write")


def read(span: SpanView, known: Known) -> Reading | None:
    """`genai-bedrock`: InvokeModel of a Nova model loses the cache, and looks like Converse."""
    reading = conventional(span, known)
    if reading is None or not _NOVA.search(reading.model_requested or ""):
        return reading
    return _without_cache(reading, span.attributes)


def read_botocore(span: SpanView, known: Known) -> Reading | None:
    """The botocore extension; `rpc.method` distinguishes InvokeModel from Converse."""
    attributes = span.attributes
    region = word(attributes.get("cloud.region"))
    reading = conventional(span, known, context={"region": region} if region else {})
    if reading is None:
        return None
    retries = attributes.get("retry_attempts")
    if type(retries) is int and 0 < retries < 100:
        reading = reading._replace(attempts=retries + 1)
    if not (word(attributes.get("rpc.method")) or "").startswith("InvokeModel"):
        return reading
    model = reading.model_requested or ""
    if _MADE_UP.search(model) and reading.usage.leaves:
        return reading._replace(
            usage=UNTRUSTED, raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,))
        )
    return _without_cache(reading, attributes) if _HAS_CACHE.search(model) else reading


def _without_cache(reading: Reading, attributes: Attributes) -> Reading:
    """Numbers from which the cache may be missing: a lower bound."""
    usage = reading.usage
    if usage.quality != "reported" or any(leaf in usage.leaves for leaf in _CACHE):
        return reading
    return reading._replace(
        usage=estimated(usage)._replace(low=usage.leaves),
        raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,)),
    )
