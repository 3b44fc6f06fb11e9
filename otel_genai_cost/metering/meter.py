"""THE path: a span becomes observations. Pure; the live processor, the collector hop and replay all run this."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from otel_genai_cost.journal.observation import Observation, observation_id
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.pricing.cost import NOT_BILLED, Cost, billed, unpriced
from otel_genai_cost.pricing.rate import price_by
from otel_genai_cost.pricing.resolve import Refusal
from otel_genai_cost.pricing.tariff import Tariff
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.carried import PERSONAL
from otel_genai_cost.usage.leaves import NO_USAGE
from otel_genai_cost.usage.read import NOTHING, UNFINISHED, Reading, SpanView
from otel_genai_cost.wide_rows import wide_row

__all__ = ["TIME_LIMIT_US", "meter"]

_ERROR_REPLY: Final = re.compile(
    r"(.*\.)?(BadRequest|Authentication|PermissionDenied|NotFound|Conflict|UnprocessableEntity|RateLimit"
    r"|InternalServer|APIStatus|Overloaded|ServiceUnavailable)Error|[45]\d\d"
    r"|(.*\.)?(Throttling|Validation|AccessDenied|ResourceNotFound|ServiceQuotaExceeded|ServiceUnavailable"
    r"|InternalServer|ModelNotReady|ModelError|Conflict)Exception|botocore\.ClientError"
)
_TIME_OUTS: Final = frozenset({"408", "499", "504", "522", "524"})
"""An error that is the provider's own reply: it answered, and bills nothing. A time-out, a gateway's included, or a
lost connection is none: the provider may have done the work."""

TIME_LIMIT_US: Final = (1 << 63) // 1000
"""Nanoseconds in 64 bits end here, in the year 2262."""

_FREE: Final = ":free"
"""The end of a model's name by which OpenRouter offers it for nothing."""

_NO_CALLS: Final = {"context": unpriced("missing_usage"), "poll": unpriced("poll_without_call")}


def meter(
    span: SpanView,
    profiles: CallProfiles,
    attribute: Callable[[Reading], Attribution],
    *,
    personal: bool = False,
) -> tuple[Observation, ...]:
    """Make the observations of an ended span.

    Args:
        span: the ended span.
        profiles: keep what calls have in common, and have the prices.
        attribute: says whom a reading was for.
        personal: whether user, session and conversation ids are kept.

    Returns:
        Normally one; none if the span is no LLM call and names no tenant.
    """
    profile = profiles.of(span)
    reading = None if profile is None else profile.words.read(span.attributes)
    if profile is None or reading is None:
        return ()
    if reading.labels and not personal:
        reading = _without_personal(reading)
    start_us, end_us = span.start_ns // 1000, span.end_ns // 1000
    if not (0 < start_us < TIME_LIMIT_US and 0 < end_us < TIME_LIMIT_US):
        start_us, end_us = _possible(start_us), _possible(end_us)
    trace_id, span_id, path = span.trace_id, span.span_id, span.path
    observation: Observation = wide_row(
        Observation,
        (
            observation_id(trace_id, span_id, start_us),
            f"{trace_id:032x}",
            f"{span_id:016x}",
            0,
            tuple([f"{ancestor:016x}" for ancestor in path]) if path else (),
            start_us,
            end_us,
            span.origin,
            profile.scope,
            profile.scope_version,
            profile.dialect,
            reading,
            _cost(reading, profile.tariff, end_us),
            attribute(reading),
            span.sampled,
            None,
            None,
            span.threshold,
            profile.words_json,
        ),
    )
    return (observation,)


def _possible(time_us: int) -> int:
    """The time, or 0 where it is none that a clock could show."""
    return time_us if 0 < time_us < TIME_LIMIT_US else 0


def _without_personal(reading: Reading) -> Reading:
    if PERSONAL.isdisjoint(reading.labels):
        return reading
    labels = {key: value for key, value in reading.labels.items() if key not in PERSONAL}
    return reading._replace(labels=labels or NOTHING)


def _cost(reading: Reading, tariff: Tariff | Refusal, at_us: int) -> Cost:
    """What the provider itself billed, else the price at the span's end. That it billed nothing is believed where that
    can be."""
    own = None
    if reading.provider_cost is not None and reading.role == "response":
        own = billed(reading.provider_cost)
    if own is not None and own.total:
        return own
    listed = _listed(reading, tariff, at_us)
    return listed if own is None or not _may_be_free(reading, listed) else own


def _may_be_free(reading: Reading, listed: Cost) -> bool:
    """Whether a call can cost nothing: by its price, or by the variant that its model's name has."""
    names = (reading.model_returned or "", reading.model_requested or "")
    return (listed.status == "priced" and not listed.total) or any(
        name.endswith(_FREE) for name in names
    )


def _listed(reading: Reading, tariff: Tariff | Refusal, at_us: int) -> Cost:
    """The price by the model that answered."""
    usage = reading.usage
    if usage is NO_USAGE:
        if reading.role in _NO_CALLS:
            return _NO_CALLS[reading.role]
        if reading.error and _is_reply(reading.error):
            return NOT_BILLED
    if reading.error == UNFINISHED and not usage.leaves:
        return unpriced("unfinished")
    if not at_us:
        return unpriced("invalid_time")
    return price_by(tariff, usage, at_us, reading.context)


def _is_reply(error: str) -> bool:
    return error not in _TIME_OUTS and _ERROR_REPLY.fullmatch(error) is not None
