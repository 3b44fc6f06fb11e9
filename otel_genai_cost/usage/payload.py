"""The provider's own usage object, where a span carries it: recognised by its keys, which no two providers share.

OpenAI, Groq, Mistral, DeepSeek and Gemini count the cache into the input, Anthropic and Bedrock do not. Gemini's tool
use is input of its own, and its thoughts are output of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.bills import NO_BILL, Bill, bill_of
from otel_genai_cost.usage.counts import NO_COUNTS, Counts, including_cache
from otel_genai_cost.usage.interactions import MARK, interaction
from otel_genai_cost.usage.interactions import sum_of as _sum
from otel_genai_cost.usage.provider_shapes import (
    add_mistral,
    cohere,
    duration,
    is_short_of_connectors,
    named,
    ollama,
    pages,
)
from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.searches import (
    billed_searches,
    grounded_searches,
    may_show_searches,
)
from otel_genai_cost.usage.values import (
    Object,
    as_object,
    condition_of,
    objects,
    response_id,
    word,
)

__all__ = [
    "NO_PAYLOAD",
    "Payload",
    "context_of",
    "payload_of",
    "response_of",
]


class Payload(NamedTuple):
    """What a provider said of one response.

    `bill` is its own figure. `is_short`: something was used that the counts do not report rightly: a stream was left
    before its end, a compaction stands beside the totals, another model took part, or Gemini searched, which it bills
    by the prompt or by the query.
    """

    counts: Counts = NO_COUNTS
    context: Mapping[str, Any] = NOTHING
    bill: Bill = NO_BILL
    response_id: str | None = None
    model: str | None = None
    is_short: bool = False


NO_PAYLOAD: Final = Payload()

_GEMINI_SEARCHES: Final = "web_search_requests"
_USAGE_KEYS: Final = ("usage", "usage_metadata", "usageMetadata", "usage_info", "meta")
_STANDARD_TRAFFIC: Final = frozenset({"ON_DEMAND", "TRAFFIC_TYPE_UNSPECIFIED"})
_TRAFFIC_PREFIX: Final = "ON_DEMAND_"
_NAMED_KEYS: Final = ("speed", "inference_geo", "search_context_size")
_NAMED: Final = frozenset(_NAMED_KEYS)
_CONDITIONS: Final = _NAMED | {"service_tier", "serviceTier", "traffic_type", "trafficType"}


def response_of(response: Object) -> Payload:
    """A provider's whole response: its usage, id, model, and the conditions it was served under."""
    usage = _details(response, *_USAGE_KEYS)
    found = payload_of(usage)
    context, counts = context_of(response), found.counts
    if found.context:
        context = {**context, **found.context}
    model = _first_word(response, "model", "model_version", "modelVersion")
    searches = may_show_searches(response, usage) and (
        billed_searches(response) or grounded_searches(response, model)
    )
    if searches and "web_searches" not in counts.parts and counts is not NO_COUNTS:
        counts = counts._replace(parts={**counts.parts, "web_searches": searches})
    return Payload(
        counts,
        context,
        _signed(found.bill, response) if found.bill.is_bare else found.bill,
        response_id(_first_word(response, "id", "response_id", "responseId")),
        model,
        found.is_short or response.get("stop_reason", "") is None,
    )


def _signed(bill: Bill, response: Object) -> Bill:
    """A bare cost is OpenRouter's where the response has the form of its ids."""
    response_id = response.get("id")
    return (
        bill._replace(is_bare=False)
        if isinstance(response_id, str) and response_id.startswith("gen-")
        else bill
    )


def payload_of(usage: Object) -> Payload:
    """A provider's usage object; no counts where its shape is none that is known."""
    for key, read in _shapes_among(_SHAPE_KEYS.intersection(usage)):
        if usage.get(key) is not None:
            counts = read(usage)
            if counts == NO_COUNTS:
                counts = NO_COUNTS
            break
    else:
        return Payload(context=context_of(usage)) if usage else NO_PAYLOAD
    is_short = not _SIGNS.isdisjoint(usage) and _is_short(usage)
    return Payload(counts, context_of(usage), bill_of(usage), is_short=is_short)


def _is_short(usage: Object) -> bool:
    inside = _details(usage, *_INPUT_DETAILS)
    return (
        any(each.get("type") in _BESIDE for each in objects(usage.get("iterations")))
        or is_short_of_connectors(usage)
        or bool(inside.get(_GEMINI_SEARCHES))
        or bool(_details(inside, "cache_write_tokens_details").get("ttl_12h_tokens"))
    )


def context_of(source: Object) -> Mapping[str, Any]:
    """The conditions of a price that a response or its usage names."""
    if _CONDITIONS.isdisjoint(source):
        return NOTHING
    tier = _first_word(source, "service_tier", "serviceTier") or _traffic(source)
    context = NOTHING if tier is None else condition_of(tier)
    if _NAMED.isdisjoint(source):
        return context
    said = {key: found for key in _NAMED_KEYS if (found := word(source.get(key))) is not None}
    return {**context, **said} if said else context


def _traffic(source: Object) -> str | None:
    """Vertex: on demand is the standard, other traffic is priced otherwise or not by the token."""
    traffic = _first_word(source, "traffic_type", "trafficType")
    if traffic is None or traffic in _STANDARD_TRAFFIC:
        return None
    return traffic.removeprefix(_TRAFFIC_PREFIX).casefold()


def _first_word(source: Object, *keys: str) -> str | None:
    for key in keys:
        if (found := source.get(key)) is not None and (named := word(found)) is not None:
            return named
    return None


def _part(parts: dict[str, Any], leaf: str, source: Object, *keys: str) -> None:
    """Take a part from the first of `keys` that is there."""
    for key in keys:
        if (value := source.get(key)) is not None:
            parts[leaf] = value
            return


def _details(usage: Object, *keys: str) -> Object:
    """The first object that is there. A loop, as in `_first`, since each call of a client pays for ten of these."""
    for key in keys:
        if (value := usage.get(key)) is not None and (found := as_object(value)):
            return found
    return NOTHING


_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "output_token_details",
)
_SIGNS: Final = frozenset({"iterations", "connectors", *_INPUT_DETAILS})
"""Where a usage object shows that something was used which it does not count."""


def _openai(usage: Object) -> Counts:
    """Chat Completions, Responses, embeddings, images, transcription, and who follows them; LiteLLM's object, in which
    Gemini's tool use is a detail beside the input."""
    inside, outside = _details(usage, *_INPUT_DETAILS), _details(usage, *_OUTPUT_DETAILS)
    parts: dict[str, Any] = {}
    _part(parts, "cache_read", inside, "cached_tokens")
    if "cache_read" not in parts:
        _part(parts, "cache_read", usage, "prompt_cache_hit_tokens", "num_cached_tokens")
    _part(parts, "cache_write", inside, "cache_write_tokens", "cache_creation_tokens")
    _part(parts, "input_audio", inside, "audio_tokens")
    _part(parts, "input_image", inside, "image_tokens")
    _part(parts, "input_video", inside, "video_tokens")
    _part(parts, "cache_read_audio", _details(inside, "cached_tokens_details"), "audio_tokens")
    _part(parts, "reasoning", outside, "reasoning_tokens")
    _part(parts, "output_audio", outside, "audio_tokens")
    _part(parts, "output_image", outside, "image_tokens")
    _part(parts, "web_searches", usage, "num_search_queries")
    _add_anthropic(parts, usage, _details(inside, "cache_creation_token_details"))
    if "web_searches" not in parts:
        _part(parts, "web_searches", inside, _GEMINI_SEARCHES)
    input_total = _sum(
        _first(usage, "prompt_tokens", "input_tokens"), inside.get("tool_use_tokens")
    )
    output_total = _first(usage, "completion_tokens", "output_tokens")
    if "citation_tokens" in usage or "num_search_queries" in usage:
        output_total = _add_research(parts, usage, output_total)
    if _is_apart(usage, input_total, output_total, parts.get("reasoning")):
        output_total += parts["reasoning"]
    return Counts(add_mistral(parts, usage, input_total, output_total), output_total, parts)


def _is_apart(usage: Object, input_total: Any, output_total: Any, reasoning: Any) -> bool:
    """Whether the completion leaves reasoning out, as xAI's does: only the total, or its being more, shows it."""
    if not reasoning or not all(type(n) is int for n in (input_total, output_total, reasoning)):
        return False
    total = usage.get("total_tokens")
    return bool(total == input_total + output_total + reasoning or reasoning > output_total)


def _add_research(parts: dict[str, Any], usage: Object, output: Any) -> Any:
    """Perplexity counts what its research read and thought beside the tokens in and out; the output with the latter."""
    _part(parts, "citation", usage, "citation_tokens")
    if "reasoning" not in parts and usage.get("reasoning_tokens") is not None:
        _part(parts, "reasoning", usage, "reasoning_tokens")
        return _sum(output, parts["reasoning"])
    return output


def _add_anthropic(parts: dict[str, Any], usage: Object, lifetimes: Object) -> None:
    """The parts of Anthropic's object. Lifetimes count only if they add up to the cache write."""
    if (read := usage.get("cache_read_input_tokens")) is not None:
        parts["cache_read"] = read
    if (write := usage.get("cache_creation_input_tokens")) is not None:
        parts["cache_write"] = write
    if "output_tokens_details" in usage:
        _part(parts, "reasoning", _details(usage, "output_tokens_details"), "thinking_tokens")
    if "server_tool_use" in usage:
        _part(parts, "web_searches", _details(usage, "server_tool_use"), "web_search_requests")
    if lifetimes:
        split_write(
            parts,
            lifetimes.get("ephemeral_5m_input_tokens"),
            lifetimes.get("ephemeral_1h_input_tokens"),
        )


def split_write(parts: dict[str, Any], minutes: Any, hour: Any) -> None:
    """Replace `cache_write` by its lifetimes, where they are reported and add up to it.

    Args:
        parts: counts by leaf, changed in place.
        minutes: tokens written for 5 minutes; anything but an int is not reported.
        hour: tokens written for an hour; anything but an int is not reported.
    """
    write = parts.get("cache_write")
    known = [n for n in (minutes, hour) if type(n) is int]
    if type(write) is not int or not known:
        return
    hour = hour if type(hour) is int else write - minutes
    minutes = minutes if type(minutes) is int else write - hour
    if minutes + hour == write and minutes >= 0 and hour >= 0:
        del parts["cache_write"]
        parts["cache_write_5m"], parts["cache_write_1h"] = minutes, hour


def _anthropic_or_openai(usage: Object) -> Counts:
    """`input_tokens` is both's name: Anthropic's comes with the cache beside it, or with what only it counts."""
    if "input_tokens_details" in usage or "input_token_details" in usage:
        return _openai(usage)
    parts: dict[str, Any] = {}
    lifetimes = _details(usage, "cache_creation") if "cache_creation" in usage else NOTHING
    _add_anthropic(parts, usage, lifetimes)
    if not parts:
        return _openai(usage)
    return including_cache(Counts(usage.get("input_tokens"), usage.get("output_tokens"), parts))


_BESIDE: Final = frozenset({"compaction", "advisor_message", "fallback_message"})
"""Kinds of Anthropic's iterations that its totals leave out, or that are priced as those of another model."""

_MODALITIES: Final = {"AUDIO": "audio", "IMAGE": "image", "VIDEO": "video"}
_ANSWERED: Final = (
    "candidates_token_count",
    "candidatesTokenCount",
    "response_token_count",
    "responseTokenCount",
)
_DETAILS: Final = (
    ("prompt_tokens_details", "promptTokensDetails", "input"),
    ("tool_use_prompt_tokens_details", "toolUsePromptTokensDetails", "input"),
    ("candidates_tokens_details", "candidatesTokensDetails", "output"),
    ("response_tokens_details", "responseTokensDetails", "output"),
)
"""Live's answers are responses, all others' candidates."""
_CACHED: Final = ("cache_tokens_details", "cacheTokensDetails")
_BY_MODALITY: Final = frozenset((*_CACHED, *(key for *keys, _ in _DETAILS for key in keys)))


def _gemini(usage: Object) -> Counts:
    parts: dict[str, Any] = {}
    _part(parts, "cache_read", usage, "cached_content_token_count", "cachedContentTokenCount")
    _part(parts, "reasoning", usage, "thoughts_token_count", "thoughtsTokenCount")
    if not _BY_MODALITY.isdisjoint(usage):
        for *keys, side in _DETAILS:
            _add_modalities(parts, _modalities(usage, *keys), side)
        if (cached := dict(_modalities(usage, *_CACHED)).get("AUDIO")) is not None:
            parts["cache_read_audio"] = cached
    tools = _first(usage, "tool_use_prompt_token_count", "toolUsePromptTokenCount")
    return Counts(
        _sum(_first(usage, "prompt_token_count", "promptTokenCount"), tools),
        _sum(_first(usage, *_ANSWERED), parts.get("reasoning")),
        parts,
    )


def _modalities(usage: Object, *keys: str) -> Iterable[tuple[str, Any]]:
    for each in objects(_first(usage, *keys)):
        modality = each.get("modality")
        if isinstance(modality, str):
            yield modality.upper(), _first(each, "token_count", "tokenCount")


def _add_modalities(parts: dict[str, Any], counts: Iterable[tuple[str, Any]], side: str) -> None:
    for modality, count in counts:
        kind = _MODALITIES.get(modality)
        if kind is not None and not (kind == "video" and side == "output"):
            leaf = f"{side}_{kind}"
            parts[leaf] = _sum(parts.get(leaf), count)


def _first(source: Object, *keys: str) -> Any:
    for key in keys:
        if (value := source.get(key)) is not None:
            return value
    return None


def _bedrock(usage: Object) -> Counts:
    """Converse, Nova's own spelling, and the metrics at the end of what InvokeModel streams."""
    parts: dict[str, Any] = {}
    _part(parts, "cache_read", usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    _part(parts, "cache_write", usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    ttl = {
        each.get("ttl"): each.get("inputTokens")
        for each in objects(usage.get("cacheDetails"))
        if isinstance(each.get("ttl"), str)
    }
    split_write(parts, ttl.get("5m"), ttl.get("1h"))
    totals = [_first(usage, f"{side}Tokens", f"{side}TokenCount") for side in ("input", "output")]
    return including_cache(Counts(totals[0], totals[1], parts))


def _titan(usage: Object) -> Counts:
    """An embedding has input alone. The output of a text is counted beside it, or in its results."""
    output = usage.get("tokenCount")
    for each in objects(usage.get("results")):
        output = _sum(output, each.get("tokenCount"))
    return Counts(usage.get("inputTextTokenCount"), output, {})


_SHAPES: Final[tuple[tuple[str, Callable[[Object], Counts]], ...]] = (
    ("prompt_tokens", _openai),
    ("input_tokens", _anthropic_or_openai),
    ("generation_token_count", named("prompt_token_count", "generation_token_count")),  # Llama
    ("prompt_token_count", _gemini),
    ("promptTokenCount", _gemini),
    (MARK, interaction),
    ("inputTokens", _bedrock),
    ("tokens", cohere),
    ("billed_units", cohere),
    ("prompt_eval_count", ollama),
    ("eval_count", ollama),
    ("inputTokenCount", _bedrock),
    ("inputTextTokenCount", _titan),
    ("token_count", named("token_count", "")),  # Vertex embeddings
    ("pages_processed", pages),  # Mistral
    ("prompt_audio_seconds", _openai),  # Mistral
    ("seconds", duration),
)
"""The key that marks a shape, and how it is read; the first that is there."""
_SHAPE_KEYS: Final = frozenset(key for key, _ in _SHAPES)


@lru_cache(maxsize=128)
def _shapes_among(
    keys: frozenset[str],
) -> tuple[tuple[str, Callable[[Object], Counts]], ...]:
    """The shapes that these keys may mark: an object has one or two of them, and not all need to be asked for."""
    return tuple([shape for shape in _SHAPES if shape[0] in keys])
