"""OpenLIT: the conventions, a cost of its own, and guesses where a provider sent no usage.

Cache counts distinguish a guess: they are set only beside the provider's own numbers; LangChain's callback always
sets them. JavaScript leaves them out where they are 0, and guesses streams only. Gemini's output leaves thoughts out. A
fetched response looks like a call of `gpt-4o`; every other request to OpenAI has a span as well.
"""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.carried import carriers
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.counts import Counts, estimated, spelled, whole_counts
from otel_genai_cost.usage.judging import shows_search
from otel_genai_cost.usage.leaves import UNTRUSTED
from otel_genai_cost.usage.providers import canonical, without_provider
from otel_genai_cost.usage.read import Attributes, Known, Reading, SpanView
from otel_genai_cost.usage.values import raw_of
from otel_genai_cost.vocabulary import Role

__all__ = [
    "read",
    "read_anthropic",
    "read_anthropic_javascript",
    "read_cohere",
    "read_gemini",
    "read_javascript",
    "read_langchain",
    "read_langchain_javascript",
    "read_litellm",
]

_WHERE: Final = carriers(more={"gen_ai.request.user": "user"})
_TOOLS: Final = "openai.response.built_in_tools"
_TOOLS_LIMIT: Final = 10_000
_RAW: Final = ("gen_ai.usage.", "openai.response.")
_API_TYPE: Final = "openai.api.type"
_IS_STREAM: Final = "gen_ai.request.is_stream"
_INVENTED_MODEL: Final = "gpt-4o"
_FETCHES: Final = re.compile(r"(?:responses|batch)\.(?:retrieve|cancel) ")
_FREE: Final = re.compile(
    r"(?:batch|conversation|file|vector_store)\.|[a-z_.]+\.(?:cancel|delete|list|retrieve|token_count|update) "
)
"""The names of requests that ask for what was made before, and of those that cost nothing by themselves."""


def read(span: SpanView, known: Known) -> Reading | None:
    """What the span says."""
    return _read(span, known, may_guess=True)


def read_javascript(span: SpanView, known: Known) -> Reading | None:
    """A client in JavaScript: OpenAI's, also under the name of vLLM's."""
    return _read(span, known, may_guess=span.attributes.get(_IS_STREAM) is True)


def _read(span: SpanView, known: Known, *, may_guess: bool) -> Reading | None:
    attributes = span.attributes
    counts = _with_searches(spelled(attributes, SPELLING), attributes)
    reading = conventional(span, known, counts=counts, where=_WHERE)
    if reading is None:
        return None
    if "." in span.name.partition(" ")[0] and (role := _role(span.name)) is not None:
        return reading._replace(role=role)
    if _is_fetched(reading, attributes):
        return reading._replace(role="poll")
    if may_guess and reading.operation == "chat" and _is_guess(reading, attributes):
        return _untrusted(reading, attributes)
    return reading


def _role(name: str) -> Role | None:
    """What a request is that its name distinguishes from a call; None if it may be one."""
    if _FETCHES.match(name):
        return "poll"
    return "context" if _FREE.match(name) else None


def _with_searches(counts: Counts, attributes: Attributes) -> Counts:
    """Built-in tools that OpenAI's Responses API called, by name."""
    tools = attributes.get(_TOOLS)
    searches = tools.count("web_search") if type(tools) is str and len(tools) < _TOOLS_LIMIT else 0
    return counts._replace(parts={**counts.parts, "web_searches": searches}) if searches else counts


def _untrusted(reading: Reading, attributes: Attributes) -> Reading:
    return reading._replace(usage=UNTRUSTED, raw=raw_of(attributes, _RAW))


def read_anthropic_javascript(span: SpanView, known: Known) -> Reading | None:
    """Anthropic's client in JavaScript: a stream counts the first event's output again."""
    reading = conventional(span, known, where=_WHERE)
    return (
        _doubted(reading, span.attributes) if span.attributes.get(_IS_STREAM) is True else reading
    )


def _doubted(reading: Reading | None, attributes: Attributes) -> Reading | None:
    if reading is None or reading.usage.quality != "reported":
        return reading
    return reading._replace(usage=estimated(reading.usage), raw=raw_of(attributes, _RAW))


def read_langchain_javascript(span: SpanView, known: Known) -> Reading | None:
    """LangChain's callback in JavaScript, which counts the prompt itself."""
    reading = conventional(span, known, where=_WHERE)
    if reading is None or not reading.usage.leaves:
        return reading
    return _untrusted(reading, span.attributes)


def read_anthropic(span: SpanView, known: Known) -> Reading | None:
    """Anthropic's client: a stream takes the cache from its last event, where older API versions have none."""
    return _without_cache(read(span, known), span.attributes)


def _without_cache(reading: Reading | None, attributes: Attributes) -> Reading | None:
    """A stream without cache counts: its input, which leaves the cache out, is a lower bound."""
    if reading is None or reading.usage.quality != "reported":
        return reading
    leaves = reading.usage.leaves
    streams = attributes.get(names.GEN_AI_REQUEST_STREAM) is True
    if not streams or leaves.get("cache_read") or leaves.get("cache_write"):
        return reading
    usage = estimated(reading.usage)._replace(low=leaves)
    return reading._replace(usage=usage, raw=raw_of(attributes, _RAW))


def _is_guess(reading: Reading, attributes: Attributes) -> bool:
    return bool(reading.usage.leaves) and names.GEN_AI_USAGE_CACHE_READ not in attributes


def _is_fetched(reading: Reading, attributes: Attributes) -> bool:
    """`responses.retrieve()` has no model, for which `gpt-4o` is put in."""
    return (
        attributes.get(_API_TYPE) == "responses"
        and reading.model_requested == _INVENTED_MODEL
        and not (reading.model_returned or "").startswith(_INVENTED_MODEL)
    )


def read_gemini(span: SpanView, known: Known) -> Reading | None:
    """Gemini's client: thoughts are beside the output, and what tools read is nowhere."""
    attributes = span.attributes
    counts = spelled(attributes, SPELLING)
    thoughts = counts.parts.get("reasoning")
    if type(thoughts) is int and type(counts.output_total) is int:
        counts = counts._replace(output_total=counts.output_total + thoughts)
    reading = conventional(span, known, counts=counts, where=_WHERE)
    return _doubted(reading, attributes) if shows_search(attributes) else reading


def read_cohere(span: SpanView, known: Known) -> Reading | None:
    """Cohere's client: billed units, which are not the tokens that went through the model."""
    attributes = span.attributes
    counts = whole_counts(spelled(attributes, SPELLING))
    reading = conventional(span, known, counts=counts, where=_WHERE)
    if reading is None or reading.operation != "chat":
        return reading
    return _doubted(reading, attributes)


def read_langchain(span: SpanView, known: Known) -> Reading | None:
    """LangChain's callback. Anthropic's cache is lost unless it streams, and then it is inside the input; a stream of
    OpenAI's without cached tokens may be a guess. The requested model may be the provider's name."""
    attributes = span.attributes
    reading = conventional(span, known, where=_WHERE)
    if reading is None:
        return None
    if (
        reading.model_requested is not None
        and canonical(reading.model_requested) == reading.provider
    ):
        returned = (
            None if reading.model_returned == reading.model_requested else reading.model_returned
        )
        reading = reading._replace(model_requested=None, model_returned=returned)
    usage = reading.usage
    streams = attributes.get(names.GEN_AI_REQUEST_STREAM) is True
    cached = usage.leaves.get("cache_read") or usage.leaves.get("cache_write")
    if usage.quality != "reported" or cached or (reading.provider != "anthropic" and not streams):
        return reading
    return reading._replace(
        usage=estimated(usage)._replace(low=usage.leaves), raw=raw_of(attributes, _RAW)
    )


def read_litellm(span: SpanView, known: Known) -> Reading | None:
    """LiteLLM's functions: the provider stands before the model."""
    reading = read(span, known)
    if reading is None or reading.model_requested is None:
        return reading
    prefix, slash, _ = reading.model_requested.partition("/")
    provider = canonical(prefix) if slash else reading.provider
    return reading._replace(
        provider=provider, model_requested=without_provider(reading.model_requested, provider)
    )
