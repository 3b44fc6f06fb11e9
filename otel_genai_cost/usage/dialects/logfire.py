"""Logfire's own instrumentations of OpenAI and Anthropic: the provider's usage object, as JSON, beside the totals.

A stream leaves two spans: one of the request, which says nothing of usage, and, elsewhere, a log of its end.
"""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import NO_COUNTS, estimated, spelled
from otel_genai_cost.usage.judging import shows_search
from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.read import PROVIDERS_OWN, Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import Object, as_object, bounded_text, json_object, raw_of

__all__ = ["read"]

_COST: Final = "operation.cost"
_URL: Final = "url"
_REQUEST: Final = "request_data"
_RESPONSE: Final = "response_data"
_STREAM_END: Final = "streaming response from"
_RETRIEVED: Final = re.compile(r"/(?:responses|chat/completions|messages/batches)/[^/]+")
_FREE: Final = re.compile(r".*/(?:count_tokens|models|files|batches|moderations)(?:/.*)?")
_PLACEHOLDER_MAX: Final = 8
"""Output tokens in the first event of an Anthropic stream, which stand there if it was not read to its end. Where the
output is recorded, the lack of a finish reason shows that; `_FINISHED` is JSON's key, which no quoted text can hold."""

_FINISHED: Final = '"finish_reason":'

_WHERE: Final = carriers(metadata=("metadata",))


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says; the span of a stream's request is left to the log of its end."""
    attributes = span.attributes
    url = attributes.get(_URL)
    if type(url) is str and _FREE.fullmatch(url):
        return None
    payload = payload_of(_usage_in(attributes))
    counts, facts = payload.counts, PROVIDERS_OWN
    if counts is NO_COUNTS:
        counts, facts = spelled(attributes, SPELLING), known.default
    reading = conventional(
        span, known, counts=counts, where=_WHERE, context=payload.context, facts=facts
    )
    if reading is None:
        return None
    cost = attributes.get(_COST)
    reading = reading._replace(
        provider_cost=payload.bill.by(reading.provider),
        foreign_cost=None if cost is None else bounded_text(cost),
    )
    if type(url) is str and reading.response_id and _RETRIEVED.fullmatch(url):
        return reading._replace(role="poll")
    if counts is NO_COUNTS and _opens_stream(span, reading):
        return reading._replace(role="context")
    if (
        payload.is_short
        or _is_placeholder(span, reading)
        or ("web_searches" not in counts.parts and shows_search(attributes))
    ):
        usage = estimated(reading.usage)
        return reading._replace(usage=usage, raw=raw_of(attributes, (names.GEN_AI_USAGE_PREFIX,)))
    return reading


def _usage_in(attributes: Attributes) -> Object:
    """The provider's usage object. Older versions keep it in the response alone, of a stream too, whose log has
    no totals then."""
    raw = attributes.get(names.GEN_AI_USAGE_RAW)
    if raw is not None:
        return json_object(raw)
    return as_object(json_object(attributes.get(_RESPONSE)).get("usage"))


def _opens_stream(span: SpanView, reading: Reading) -> bool:
    """Whether a span without usage only opened a stream. OpenAI's raw responses have a usage, Anthropic's have none."""
    if reading.error or reading.response_id or span.name.startswith(_STREAM_END):
        return False
    if json_object(span.attributes.get(_REQUEST)).get("stream") is True:
        return True
    return reading.provider == "openai" and reading.operation in ("chat", "text_completion")


def _is_placeholder(span: SpanView, reading: Reading) -> bool:
    if reading.provider != "anthropic" or not span.name.startswith(_STREAM_END):
        return False
    output = reading.usage.output_total
    messages = span.attributes.get(names.GEN_AI_OUTPUT_MESSAGES)
    if type(messages) is str:
        return _FINISHED not in messages
    return type(output) is int and output <= _PLACEHOLDER_MAX
