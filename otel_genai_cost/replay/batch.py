"""Charges from recorded spans: the live processor's path (the meter) and the ledger's (settle), over a batch.

A batch is everything that is known at once: it is settled as a drained ledger would settle it, so neither the order of
its spans nor how they were cut into requests makes a difference. It waits on disk, as the records of a journal, until
all of it is metered; then what belongs together is settled, some thousand observations at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.rerating.books import rated_with
from otel_genai_cost.ledger.settlement.settle import Settlement, settle
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.metering.call_profile import CallProfiles
from otel_genai_cost.metering.meter import meter
from otel_genai_cost.otlp.ancestry import span_key
from otel_genai_cost.otlp.attribution import attribution_on
from otel_genai_cost.pricing.rate import TariffSource
from otel_genai_cost.replay.batch_file import BatchFile, Metered, Row
from otel_genai_cost.replay.components import Components
from otel_genai_cost.replay.in_order import Charged, InOrder, Replayed
from otel_genai_cost.replay.recordings import Recording
from otel_genai_cost.usage.scopes import dialect_of

__all__ = ["Charged", "Replayed", "replay"]


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

    Raises:
        ConfigurationError: if there is no room for it in the folder of temporary files.
    """
    try:
        with closing(BatchFile()) as file:
            components = Components(file)
            _meter(recordings, book, span_tenant, personal, file, components)
            yield from _settled(file, components, book)
    except sqlite3.Error as error:
        raise ConfigurationError(
            "cannot keep the recorded spans while they are settled",
            where=str(error),
            remedy="set SQLITE_TMPDIR to a folder with about the room of the recordings",
        ) from None


def _meter(
    recordings: Iterable[Recording],
    book: TariffSource,
    span_tenant: str,
    personal: bool,
    file: BatchFile,
    components: Components,
) -> None:
    """Put every observation on file, with what ties it to others, and every span's parent."""
    profiles = CallProfiles(book)
    for number, request in recordings:
        for span in request.spans:
            file.put_span(span_key(span.trace_id, span.span_id), span.parent_id)
            attribute = attribution_on(span, span_tenant)
            for one in meter(span, profiles, attribute, personal=personal):
                n = len(components)
                file.put_observation(Row(n, number, span.trace_id, span.parent_id, one))
                components.note(one)


def _settled(file: BatchFile, components: Components, book: TariffSource) -> Iterator[Replayed]:
    """Settle component by component; each result is given when no earlier one can come any more."""
    file.end_spans()
    components.find()
    results = InOrder(file)
    for numbers, end in components.parts():
        for n, one in _replayed(_needed(list(file.load(numbers))), book):
            results.put(n, one)
        yield from results.until(end)


def _replayed(metered: Sequence[Metered], book: TariffSource) -> Iterator[tuple[int, Replayed]]:
    """What became of the observations of whole components."""
    first: dict[object, Observation] = {}
    for one in metered:
        first.setdefault(one.content, one.observation)
    settlement = settle(first.values())
    places = _places(settlement, book)
    charged: set[int] = set()
    for n, number, observation, content in metered:
        known = first[content]
        place = places.get(id(known))
        if place is None:
            why = settlement.ignored.get(known.id, "context")
            kind = "context" if why == "context" else "ignored"
            ignored = None if kind == "context" else why
            yield n, Replayed(number, observation, kind, ignored=ignored)
            continue
        verdict, rule = place
        is_charge = rule is None and id(known) not in charged
        charged.add(id(known))
        rule = None if is_charge else rule or 0
        kind = "charge" if is_charge else "duplicate"
        yield n, Replayed(number, observation, kind, rule, verdict)


def _needed(metered: Sequence[Metered]) -> list[Metered]:
    """Without the spans of unknown instrumentations that only name a tenant, unless a response below has none."""
    tenantless = {
        (one.trace_id, ancestor)
        for one in (each.observation for each in metered)
        if one.reading.role != "context" and one.attribution.tenant is None
        for ancestor in one.path
    }
    return [
        each
        for each in metered
        if (one := each.observation).reading.role != "context"
        or dialect_of(one.scope, one.scope_version).recognised
        or (one.trace_id, one.span_id) in tenantless
    ]


def _charged(verdict: Verdict, book: TariffSource) -> Charged:
    """With a price for a verdict that no member's cost fits."""
    richest = verdict.richest
    cost = rated_with(richest, book) if verdict.is_patched else verdict.cost
    whole = richest._replace(cost=cost, attribution=verdict.attribution)
    return Charged(verdict.charge_id, whole, verdict.flags)


def _places(settlement: Settlement, book: TariffSource) -> dict[int, tuple[Charged, int | None]]:
    """By identity of the observation: its charge, and the rule that joined it; None for the charge's own span."""
    found: dict[int, tuple[Charged, int | None]] = {}
    for verdict in settlement.verdicts:
        first, charged = verdict.members[0], _charged(verdict, book)
        for member in verdict.members:
            rule = first.rule if member.rule is None else member.rule
            found[id(member.observation)] = (charged, None if member is first else rule)
    return found
