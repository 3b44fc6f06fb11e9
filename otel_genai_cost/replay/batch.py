"""Charges from recorded spans: the live processor's path (the meter) and the ledger's (settle), over a batch.

A batch is everything that is known at once: it is settled as a drained ledger would settle it, so neither the order of
its spans nor how they were cut into requests makes a difference. It is held in memory, as observations and as one
parent's id a span.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.rerating.books import rated_with
from otel_genai_cost.ledger.settlement.settle import Settlement, settle
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.otlp.ancestry import ancestors, span_key
from otel_genai_cost.otlp.attribution import attribution_on
from otel_genai_cost.pricing.rate import TariffSource
from otel_genai_cost.replay.recordings import Recording
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Replayed", "replay"]


class Replayed(NamedTuple):
    """What became of an observation: `charge` (the member that ended first, with the verdict), `duplicate` of one,
    `context`, or `ignored` for the reason given."""

    recording: int
    observation: Observation
    kind: str
    rule: int | None = None
    verdict: Verdict | None = None
    ignored: str | None = None


def replay(
    recordings: Iterable[Recording],
    book: TariffSource,
    *,
    span_tenant: str = names.TENANT_ID,
    personal: bool = False,
) -> Iterator[Replayed]:
    """Meter and settle one batch of recorded requests.

    Args:
        recordings: the requests, with the number of the line each came from.
        book: prices.
        span_tenant: the span attribute that names a tenant.
        personal: keep user, session and conversation ids as labels.

    Yields:
        What became of each observation, in the order of the spans.
    """
    metered = _needed(_metered(recordings, book, span_tenant, personal))
    first: dict[bytes, Observation] = {}
    for _, observation in metered:
        first.setdefault(_content(observation), observation)
    settlement = _rated(settle(first.values()), book)
    places = _places(settlement)
    charged: set[int] = set()
    for number, observation in metered:
        known = first[_content(observation)]
        place = places.get(id(known))
        if place is None:
            why = settlement.ignored.get(known.id, "context")
            kind = "context" if why == "context" else "ignored"
            yield Replayed(number, observation, kind, ignored=None if kind == "context" else why)
            continue
        verdict, rule = place
        is_charge = rule is None and id(known) not in charged
        charged.add(id(known))
        rule = None if is_charge else rule or 0
        kind = "charge" if is_charge else "duplicate"
        yield Replayed(number, observation, kind, rule, verdict)


def _rated(settlement: Settlement, book: TariffSource) -> Settlement:
    """With a price for verdicts that no member's cost fits."""
    verdicts = [
        verdict._replace(cost=rated_with(verdict.richest, book)) if verdict.is_patched else verdict
        for verdict in settlement.verdicts
    ]
    return settlement._replace(verdicts=tuple(verdicts))


def _metered(
    recordings: Iterable[Recording], book: TariffSource, span_tenant: str, personal: bool
) -> list[tuple[int, Observation]]:
    """Observations with the number of their recording; paths are completed once all parents are known."""
    parents: dict[int, int] = {}
    found: list[tuple[int, Observation, int, int]] = []
    profiles = CallProfiles(book)
    for number, request in recordings:
        for span in request.spans:
            parents[span_key(span.trace_id, span.span_id)] = span.parent_id
            observations = meter(
                span, profiles, attribution_on(span, span_tenant), personal=personal
            )
            found += [(number, one, span.trace_id, span.parent_id) for one in observations]

    def path(trace_id: int, parent_id: int) -> tuple[str, ...]:
        above = ancestors(trace_id, parent_id, lambda key: parents.get(key, 0))
        return tuple([f"{ancestor:016x}" for ancestor in above])

    return [
        (number, one._replace(path=path(trace_id, parent_id)))
        for number, one, trace_id, parent_id in found
    ]


def _needed(metered: list[tuple[int, Observation]]) -> list[tuple[int, Observation]]:
    """Without the spans of unknown instrumentations that only name a tenant, unless a response below has none."""
    tenantless = {
        (one.trace_id, ancestor)
        for _, one in metered
        if one.reading.role != "context" and one.attribution.tenant is None
        for ancestor in one.path
    }
    return [
        (number, one)
        for number, one in metered
        if one.reading.role != "context"
        or dialect_of(one.scope, one.scope_version).recognised
        or (one.trace_id, one.span_id) in tenantless
    ]


def _content(observation: Observation) -> bytes:
    """What the ledger knows an observation by: an identical copy is no second one."""
    return blake2b(encode(to_record(observation)), digest_size=16).digest()


def _places(settlement: Settlement) -> dict[int, tuple[Verdict, int | None]]:
    """By identity of the observation: its charge, and the rule that joined it; None for the charge's own span."""
    found: dict[int, tuple[Verdict, int | None]] = {}
    for verdict in settlement.verdicts:
        first = verdict.members[0]
        for member in verdict.members:
            rule = first.rule if member.rule is None else member.rule
            found[id(member.observation)] = (verdict, None if member is first else rule)
    return found
