"""How a span in the words of the OpenTelemetry GenAI conventions becomes a reading; most dialects vary it.

`input_tokens` includes cache reads, cache writes, audio, image and video; `output_tokens` includes reasoning and audio
(semantic-conventions #3163). Older spellings are read where the newer one is missing: `gen_ai.system` (before 1.37),
`prompt_tokens` and `completion_tokens` (before 1.27), `cache_creation` (before util-genai 1.3).
"""

from __future__ import annotations

from collections.abc import Callable, KeysView, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import NOWHERE, place_of
from otel_genai_cost.usage.carried import Carriers, carried
from otel_genai_cost.usage.counts import (
    NO_COUNTS,
    Counts,
    Spelling,
    estimated,
    spelled,
)
from otel_genai_cost.usage.inclusion import TWO_CONVENTIONS, bounded, settled
from otel_genai_cost.usage.judging import SIGNS, is_short, usage_from
from otel_genai_cost.usage.leaves import Usage
from otel_genai_cost.usage.providers import canonical, provider_of_model, returned_model
from otel_genai_cost.usage.read import (
    NOTHING,
    Attributes,
    Facts,
    Known,
    Reading,
    SpanView,
    SpanWords,
    Words,
)
from otel_genai_cost.usage.seen import TOTALS
from otel_genai_cost.usage.values import bounded_text, condition_of, raw_of, response_id, word
from otel_genai_cost.vocabulary import Role
from otel_genai_cost.wide_rows import wide_row

__all__ = [
    "READS",
    "ROLES",
    "SPELLING",
    "TIERS",
    "WORDS",
    "Conventional",
    "conventional",
    "error_of",
    "is_responses",
    "provider_and_region",
]

SPELLING: Final = Spelling(
    (names.GEN_AI_USAGE_INPUT_TOKENS, names.GEN_AI_USAGE_PROMPT_TOKENS),
    (names.GEN_AI_USAGE_OUTPUT_TOKENS, names.GEN_AI_USAGE_COMPLETION_TOKENS),
    {
        names.GEN_AI_USAGE_CACHE_READ: "cache_read",
        names.GEN_AI_USAGE_CACHE_WRITE: "cache_write",
        names.GEN_AI_USAGE_REASONING: "reasoning",
        names.GEN_AI_USAGE_REASONING_TOKENS: "reasoning",
        names.GEN_AI_USAGE_AUDIO_INPUT: "input_audio",
        names.GEN_AI_USAGE_AUDIO_OUTPUT: "output_audio",
        names.GEN_AI_USAGE_IMAGE_INPUT: "input_image",
        names.GEN_AI_USAGE_VIDEO_INPUT: "input_video",
        names.GEN_AI_USAGE_IMAGE_OUTPUT: "output_image",
        names.GEN_AI_USAGE_AUDIO_CACHE_READ: "cache_read_audio",
        names.GEN_AI_USAGE_CACHE_CREATION: "cache_write",  # the last, so that it gives way
    },
)
READS: Final = SPELLING.names().union(TOTALS)
"""Names of usage that are read on every span in the conventions' words."""

TIERS: Final = (
    names.OPENAI_RESPONSE_SERVICE_TIER,
    names.SERVICE_TIER,
    names.GEN_AI_OPENAI_RESPONSE_SERVICE_TIER,
    names.OPENAI_REQUEST_SERVICE_TIER,
    names.GEN_AI_OPENAI_REQUEST_SERVICE_TIER,
)
"""The tier that served the call, else the one asked for."""

_TIER_NAMES: Final = frozenset(TIERS)

ROLES: Final[Mapping[str | None, tuple[Role, Role]]] = {
    "fetch_response": ("poll", "poll"),
    **dict.fromkeys(
        (
            "invoke_agent",
            "create_agent",
            "invoke_workflow",
            "execute_tool",
            "agent_step",
            "execute_task",
            "execute_event_loop_cycle",
        ),
        ("aggregate", "context"),
    ),
    **dict.fromkeys(("retrieval", "count_tokens"), ("context", "context")),
}
"""Operation -> what a span is with usage, and without; any other operation is a call of a model."""

_RESPONSE: Final = ("response", "response")
_PROVIDER_BY_HOST: Final = frozenset({None, "openai", "gcp.gemini"})
"""Clients of one provider are pointed at another's endpoint; the host says whose it is."""

_OPERATION: Final = names.GEN_AI_OPERATION_NAME
_MODEL: Final = names.GEN_AI_REQUEST_MODEL
_RETURNED: Final = names.GEN_AI_RESPONSE_MODEL
_ID: Final = names.GEN_AI_RESPONSE_ID
_COST: Final = names.GEN_AI_USAGE_COST
_PROVIDER: Final = names.GEN_AI_PROVIDER_NAME
_SYSTEM: Final = names.GEN_AI_SYSTEM
_HOST: Final = names.SERVER_ADDRESS
_ERROR: Final = names.ERROR_TYPE
"""Names of the module itself are found twice as fast as another module's."""

WORDS: Final = (
    _OPERATION,
    _MODEL,
    _RETURNED,
    _PROVIDER,
    _SYSTEM,
    _HOST,
    *TIERS,
    _ERROR,
    names.OPENAI_API_TYPE,
)
"""Attributes whose values are what a span says in words."""

_OWN_CARRIERS: Final = Carriers()


class CallWords(NamedTuple):
    """What the words of a span say in the conventions' way; `read` adds what it counts. Equal words, under equal names
    of attributes, make equal ones, so they are worth keeping.

    `call` is the reading without anything that only this call has; `role_without_usage` is its role where nothing is
    counted, None where that makes it no call at all, unless somebody is named. `spelling` and `where` are left with the
    names that the span has; `total` is the name of its total, `has_signs` whether it may show that more was used than
    was counted, `raw` the prefixes of what is kept where usage is no plain report.
    """

    call: Reading
    role_without_usage: str | None
    facts: Facts
    spelling: Spelling
    where: Carriers
    total: str | None
    is_responses: bool
    has_signs: bool
    raw: tuple[str, ...]

    @property
    def is_independent(self) -> bool:
        """Whether what they say does not depend on whether something was counted."""
        return self.role_without_usage == self.call.role

    def read(self, attributes: Attributes, counts: Counts | None = None) -> Reading | None:
        """The reading of a span with these words. `counts`, where a dialect has found them elsewhere."""
        call = self.call
        found = spelled(attributes, self.spelling) if counts is None else counts
        tenant, labels = carried(attributes, self.where)
        role = call.role if found is not NO_COUNTS else self.role_without_usage
        if role is None:
            if tenant is None and not labels:
                return None
            role = "context"
        usage, doubts = self._usage(attributes, found)
        foreign_cost = attributes.get(_COST)
        reading: Reading = wide_row(
            Reading,
            (
                role,
                call.operation,
                call.provider,
                call.model_requested,
                call.model_returned,
                response_id(attributes.get(_ID)),
                usage,
                call.context,
                call.error,
                1,
                None,
                tenant,
                labels,
                None,
                None if foreign_cost is None else bounded_text(foreign_cost),
                None if usage.quality == "reported" else raw_of(attributes, self.raw),
                doubts,
                None,
                None,
            ),
        )
        return reading

    def _usage(self, attributes: Attributes, counts: Counts) -> tuple[Usage, tuple[str, ...]]:
        """The counts as leaves, held against what else the span shows, and why they are doubted."""
        call, facts = self.call, self.facts
        model = call.model_returned or call.model_requested
        total = None if self.total is None else attributes[self.total]
        judged = settled(counts, facts, call.provider, model, total, is_responses=self.is_responses)
        usage = usage_from(judged.counts, facts, model, call.operation, call.error)
        if judged.is_doubtful:
            return bounded(usage, judged.other), (TWO_CONVENTIONS,)
        if (
            self.has_signs
            and usage.quality == "reported"
            and is_short(judged.counts, facts, attributes, total)
        ):
            usage = estimated(usage)
        return usage, ()


def conventional(
    span: SpanView,
    known: Known,
    *,
    spelling: Spelling = SPELLING,
    counts: Counts | None = None,
    where: Carriers = _OWN_CARRIERS,
    provider: str | None = None,
    context: Mapping[str, Any] = NOTHING,
    facts: Facts | None = None,
    raw: tuple[str, ...] = (names.GEN_AI_USAGE_PREFIX,),
) -> Reading | None:
    """The reading of a span in the conventions' way.

    Args:
        span: the ended span.
        known: the facts about its instrumentation.
        spelling: under which names it counts.
        counts: what a dialect has counted elsewhere; None if the attributes are to be counted.
        where: which attributes say whom the call was for.
        provider: OpenTelemetry's name of the provider, where the dialect knows it; None if the span is to say.
        context: conditions of the price that the dialect has found.
        facts: the facts that hold for `counts`; None for those of `known`.
        raw: prefixes of the attributes that are kept where usage is not simply as reported.

    Returns:
        None if it is no LLM call and carries neither usage nor a tenant or label.
    """
    words = _words_of(
        span,
        span.attributes.keys(),
        known,
        spelling=spelling,
        where=where,
        provider=provider,
        context=context,
        facts=facts,
        raw=raw,
    )
    return words.read(span.attributes, counts)


class Conventional:
    """The dialect of those who write the conventions' words and counts alone, which therefore can be separated.

    Args:
        more: attributes with which a span is read by `otherwise`.
        otherwise: what reads such a span.
        spelling: under which names all others count.
    """

    def __init__(
        self,
        more: frozenset[str] = frozenset(),
        otherwise: Callable[[SpanView, Known], Reading | None] = conventional,
        spelling: Spelling = SPELLING,
    ) -> None:
        self.more, self.otherwise, self.spelling = more, otherwise, spelling

    def __call__(self, span: SpanView, known: Known) -> Reading | None:
        """What the span says; None if it is no LLM call and carries neither usage nor a tenant."""
        if self.more.isdisjoint(span.attributes):
            return conventional(span, known, spelling=self.spelling)
        return self.otherwise(span, known)

    def words(self, span: SpanWords, present: KeysView[str], known: Known) -> Words | None:
        """What the words of a span say.

        Args:
            span: the ended span.
            present: the names of its attributes.
            known: the facts about its instrumentation.

        Returns:
            None where the words depend on what was counted, so that they cannot be kept for the next call.
        """
        if not self.more.isdisjoint(present):
            return None
        found = _words_of(span, present, known, spelling=self.spelling)
        return Words(found.call, found.read) if found.is_independent else None


def _words_of(
    span: SpanWords,
    present: KeysView[str],
    known: Known,
    *,
    spelling: Spelling = SPELLING,
    where: Carriers = _OWN_CARRIERS,
    provider: str | None = None,
    context: Mapping[str, Any] = NOTHING,
    facts: Facts | None = None,
    raw: tuple[str, ...] = (names.GEN_AI_USAGE_PREFIX,),
) -> CallWords:
    """What the words of a span say, with the options of `conventional`. Of its attributes it reads those in `WORDS`,
    and of all others only the names, `present`."""
    attributes = span.attributes
    get = attributes.get
    operation, model, returned = word(get(_OPERATION)), word(get(_MODEL)), word(get(_RETURNED))
    error = error_of(span)
    role, role_without_usage = ROLES.get(operation, _RESPONSE)
    # What names neither is no call, and what could not be read again says nothing.
    is_empty = (operation is None and model is None) or (role == "poll" and error is not None)
    if provider is None:
        provider, context = provider_and_region(attributes, returned or model, context)
    return CallWords(
        call=Reading(
            role,
            operation,
            provider,
            model,
            returned_model(provider, model, returned),
            context=_with_tier(attributes, context),
            error=error,
        ),
        role_without_usage=None if is_empty else role_without_usage,
        facts=known.of(provider) if facts is None else facts,
        spelling=spelling.among(present),
        where=where.among(present),
        total=next((name for name in TOTALS if name in present), None),
        is_responses=is_responses(span),
        has_signs=not SIGNS.isdisjoint(present),
        raw=raw,
    )


def provider_and_region(
    attributes: Attributes, model: str | None, context: Mapping[str, Any] = NOTHING
) -> tuple[str | None, Mapping[str, Any]]:
    """Provider and region as a span's attributes name them.

    Args:
        attributes: the span's.
        model: its model, by which a provider is found where nothing else names one; None if unknown.
        context: conditions of the price that were found before.

    Returns:
        OpenTelemetry's name of the provider, None if unknown; and the context, with the region if the endpoint has one.
    """
    get = attributes.get
    name = word(get(_PROVIDER)) or word(get(_SYSTEM))
    provider, region = _placed(name, word(get(_HOST)))
    if region is not None and "region" not in context:
        context = {**context, "region": region}
    if provider is None and model is not None:
        provider = provider_of_model(model)
    return provider, context


@lru_cache(maxsize=1024)
def _placed(name: str | None, host: str | None) -> tuple[str | None, str | None]:
    """Provider and region by the name an instrumentation gives and the host it called."""
    provider = None if name is None else canonical(name)
    there, region = NOWHERE if host is None else place_of(host)
    if there is not None and provider in _PROVIDER_BY_HOST:
        return there, region
    return provider, region if there == provider else None


def error_of(span: SpanWords) -> str | None:
    """The error that ended the call; `error` where the span only says that there was one."""
    error = span.attributes.get(_ERROR)
    return word(error) if error is not None else "error" if span.is_error else None


def is_responses(span: SpanWords) -> bool:
    """Whether a span is of the Responses API, by its attributes or its name."""
    api = span.attributes.get(names.OPENAI_API_TYPE)
    return api == "responses" if api is not None else "response" in span.name[:64].casefold()


def _with_tier(attributes: Attributes, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """The context with the tier; `batch` is a condition of its own."""
    if "service_tier" in context or "batch" in context or attributes.keys().isdisjoint(_TIER_NAMES):
        return context
    for name in TIERS:
        if name in attributes and (tier := word(attributes[name])) is not None:
            condition = condition_of(tier)
            return {**context, **condition} if context else condition
    return context
