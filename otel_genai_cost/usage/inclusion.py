"""Whether a total includes a part of its own: what the span itself shows, where providers count in two ways.

Anthropic's and Bedrock's input leaves the cache out, and instrumentations differ in whether they add it. xAI's chat
completions leave reasoning out of the completion, Gemini's candidates leave thoughts out; a total beside them shows it.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from otel_genai_cost.usage.counts import NO_COUNTS, Counts, including_cache, proves_exclusive
from otel_genai_cost.usage.leaves import Usage, partition
from otel_genai_cost.usage.read import Facts

__all__ = ["TWO_CONVENTIONS", "Settled", "bounded", "settled"]

TWO_CONVENTIONS: Final = "two_conventions"
_CACHE_APART: Final = frozenset({"anthropic", "aws.bedrock"})
_CACHE_APART_MODELS: Final = re.compile(r"claude|amazon\.nova|^nova-", re.IGNORECASE)
_MANY_VENDORS: Final = frozenset({"gcp.vertex_ai", "azure.ai.inference", None})
"""Who serves these models in their vendor's own way; a router counts in OpenAI's, the cache inside."""

_THOUGHTS_APART: Final = frozenset({"gcp.gemini", "gcp.vertex_ai"})
_GROK_HOSTS: Final = frozenset({"x_ai", "azure.ai.inference", "azure.ai.openai", "oci", None})
"""Who passes on xAI's own counts; a router (OpenRouter, Vercel) counts in OpenAI's way."""


class Settled(NamedTuple):
    """Counts in the sense of the conventions. `other` is their other reading, where nothing shows which is true."""

    counts: Counts
    other: Counts | None = None
    is_doubtful: bool = False


def settled(
    counts: Counts,
    facts: Facts,
    provider: str | None,
    model: str | None,
    total: object = None,
    *,
    is_responses: bool = False,
) -> Settled:
    """Counts whose totals include their parts, by what the span shows, else by what is known of who counted.

    Args:
        counts: as the span has them.
        facts: what is known of the instrumentation.
        provider: its OpenTelemetry name.
        model: as the span names it.
        total: input and output together, as the span has it.
        is_responses: it is OpenAI's Responses API, which counts reasoning into the output whoever serves it.
    """
    if counts is NO_COUNTS or not counts.parts:
        return Settled(counts)
    found = Settled(counts)
    if counts.parts.get("reasoning"):
        found = _with_reasoning(counts, facts, provider, model, total, is_responses=is_responses)
    if not facts.unproven or found.is_doubtful:
        return found
    return _with_cache(found.counts, provider, model, total)


def bounded(usage: Usage, other: Counts | None) -> Usage:
    """Estimated usage, between its reading and the other one."""
    if usage.quality != "reported":
        return usage
    apart = None if other is None else partition(*other).leaves
    return usage._replace(
        quality="estimated", low=usage.leaves if apart else None, high=apart or None
    )


def _with_reasoning(
    counts: Counts,
    facts: Facts,
    provider: str | None,
    model: str | None,
    total: object,
    *,
    is_responses: bool,
) -> Settled:
    reasoning = counts.parts.get("reasoning")
    both = _sum(counts.input_total, counts.output_total)
    if not reasoning or type(reasoning) is not int or both is None:
        return Settled(counts)
    apart = counts._replace(output_total=counts.output_total + reasoning)
    is_outside = facts.reasoning_outside or _is_groks(provider, model)
    if total == both + reasoning or (is_outside and reasoning > counts.output_total):
        return Settled(apart)
    if total == both:
        return Settled(counts)
    if facts.reasoning_outside or (is_outside and not facts.reasoning_inside and not is_responses):
        return Settled(apart)
    if facts.unproven and provider in _THOUGHTS_APART:
        return Settled(counts, apart, is_doubtful=True)
    return Settled(counts)


def _is_groks(provider: str | None, model: str | None) -> bool:
    """Whether the counts are xAI's own."""
    return provider == "x_ai" or (
        provider in _GROK_HOSTS and model is not None and "grok" in model.casefold()
    )


def _with_cache(counts: Counts, provider: str | None, model: str | None, total: object) -> Settled:
    is_apart = provider in _CACHE_APART or (
        provider in _MANY_VENDORS
        and model is not None
        and _CACHE_APART_MODELS.search(model) is not None
    )
    apart = including_cache(counts)
    if apart == counts:
        return Settled(counts)
    both = _sum(apart.input_total, apart.output_total)
    if both is not None and total == both:
        return Settled(apart)
    if proves_exclusive(counts):
        return Settled(apart, is_doubtful=True)
    return Settled(counts, apart, is_doubtful=True) if is_apart else Settled(counts)


def _sum(one: Any, other: Any) -> int | None:
    return one + other if type(one) is int and type(other) is int else None
