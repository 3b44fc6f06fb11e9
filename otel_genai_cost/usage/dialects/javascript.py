"""OpenLIT, OpenLLMetry's Anthropic client and LangSmith for JavaScript, which make something else of a stream than
their Python siblings.

OpenLIT counts the first event of an Anthropic stream again, makes numbers up where OpenAI's stream sent none, and what
its LangChain callback counts as input is nobody's number. LangSmith writes LangChain's own usage object beside the
totals, as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import Counts, estimated, spelled
from otel_genai_cost.usage.leaves import UNTRUSTED
from otel_genai_cost.usage.providers import canonical
from otel_genai_cost.usage.read import NOTHING, Known, Reading, SpanView
from otel_genai_cost.usage.values import json_object, raw_of, word

__all__ = ["read_langsmith", "read_openlit", "read_openlit_langchain", "read_traceloop_anthropic"]

_STREAMS: Final = "gen_ai.request.is_stream"
_RAW: Final = ("gen_ai.usage.",)
_OPENLIT: Final = carriers(more={"gen_ai.request.user": "user"})
_LANGSMITH: Final = carriers("langsmith.metadata.")
_TRACELOOP: Final = carriers("traceloop.association.properties.")
_DETAILS: Final = "langsmith.usage_metadata"
_INPUT: Final = {
    "cache_read": "cache_read",
    "cache_creation": "cache_write",
    "audio": "input_audio",
}
_OUTPUT: Final = {"reasoning": "reasoning", "audio": "output_audio"}


def read_openlit(span: SpanView, known: Known) -> Reading | None:
    """OpenLIT's clients. A stream's numbers may be made up, or hold the first event twice."""
    reading = conventional(span, known, where=_OPENLIT)
    if reading is None or span.attributes.get(_STREAMS) is not True:
        return reading
    if reading.usage.quality != "reported":
        return reading
    raw = raw_of(span.attributes, _RAW)
    if reading.provider == "anthropic":
        return reading._replace(usage=estimated(reading.usage), raw=raw)
    if names.GEN_AI_USAGE_CACHE_READ not in span.attributes:
        return reading._replace(usage=UNTRUSTED, raw=raw)
    return reading


def read_openlit_langchain(span: SpanView, known: Known) -> Reading | None:
    """OpenLIT's LangChain callback."""
    reading = conventional(span, known, where=_OPENLIT)
    if reading is None or not reading.usage.leaves:
        return reading
    return reading._replace(usage=UNTRUSTED, raw=raw_of(span.attributes, _RAW))


def read_langsmith(span: SpanView, known: Known) -> Reading | None:
    """LangSmith's export: runs of models only; the others are wrappers."""
    attributes = span.attributes
    counts = spelled(attributes, SPELLING)
    details = json_object(attributes.get(_DETAILS))
    if details:
        parts: dict[str, Any] = dict(counts.parts)
        parts.update(_parts(details.get("input_token_details"), _INPUT))
        parts.update(_parts(details.get("output_token_details"), _OUTPUT))
        counts = Counts(counts.input_total, counts.output_total, parts)
    tier = word(attributes.get("gen_ai.response.service_tier"))
    return conventional(
        span,
        known,
        counts=counts,
        where=_LANGSMITH,
        provider=canonical(word(attributes.get("langsmith.metadata.ls_provider")) or "") or None,
        context={"service_tier": tier} if tier else NOTHING,
    )


def _parts(told: object, leaves: Mapping[str, str]) -> dict[str, Any]:
    """LangChain's details, where the tier stands before the name: `flex_cache_read`, and `flex` for the rest."""
    if not isinstance(told, dict):
        return {}
    details = cast("dict[str, Any]", told)
    held = {key.removeprefix("flex_").removeprefix("priority_"): n for key, n in details.items()}
    return {leaf: held[key] for key, leaf in leaves.items() if key in held}


def read_traceloop_anthropic(span: SpanView, known: Known) -> Reading | None:
    """OpenLLMetry's Anthropic client: without a finish reason the answer was not read to its end."""
    reading = conventional(span, known, where=_TRACELOOP)
    if reading is None or names.GEN_AI_RESPONSE_FINISH_REASONS in span.attributes:
        return reading
    if reading.usage.quality != "reported":
        return reading
    return reading._replace(usage=estimated(reading.usage), raw=raw_of(span.attributes, _RAW))
