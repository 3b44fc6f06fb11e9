"""Settling what is ripe and booking the difference: the step between the store and the pure functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.post import Booked, book, net
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.settlement.verdict import NEVER_RATED, Verdict
from otel_genai_cost.ledger.storage.store import Ledger, Stored
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.vocabulary import Cause

__all__ = ["EVIDENCE_US", "RESPONSES_US", "RateAgain", "Settled", "settle_waiting", "unlink"]

_logger = logging.getLogger("otel_genai_cost")

EVIDENCE_US: Final = 24 * 3_600_000_000
"""How long evidence of overlap is kept, from ingestion."""

RESPONSES_US: Final = 35 * EVIDENCE_US
"""How long response ids are kept, from ingestion."""

RateAgain = Callable[[Observation, str], Cost | None]
"""The cost of an observation with the book of that digest; None if the book is not to be had."""

_BATCH: Final = 5_000


class _Prior(NamedTuple):
    """A charge that members of a component are booked under."""

    booked: Booked
    first_seq: int
    occurred_us: int


class Settled(NamedTuple):
    """What a batch came to: observations that were waiting, entries booked, and charges with copies of one span that
    contradict each other."""

    waiting: int
    entries: int
    conflicts: int


def settle_waiting(
    ledger: Ledger, ripe_us: int, now_us: int, rate_again: RateAgain, limit: int = _BATCH
) -> Settled:
    """Settle up to `limit` observations that are ripe by `ripe_us`, inside the caller's transaction."""
    waiting = ledger.waiting(ripe_us, limit)
    if not waiting:
        return Settled(0, 0, 0)
    component = ledger.component(waiting)
    entries = _book_component(ledger, component, now_us, rate_again)
    ledger.append(entries)
    torn = {entry.charge_id for entry in entries if "conflict" in entry.flags}
    for charge_id in sorted(torn)[:5]:
        _logger.warning("copies of one span differ in provider, model or usage: %s", charge_id)
    return Settled(len(waiting), len(entries), len(torn))


def unlink(ledger: Ledger, observation_id: str, now_us: int, rate_again: RateAgain) -> list[Entry]:
    """Let an observation stand alone from now on, inside the caller's transaction; the entries booked for that."""
    ledger.unlink(observation_id, now_us)
    component = ledger.component([one for one in ledger.find(observation_id)])
    entries = _book_component(ledger, component, now_us, rate_again, cause="unlinked")
    return ledger.append(entries)


def _book_component(
    ledger: Ledger,
    component: Mapping[int, Stored],
    now_us: int,
    rate_again: RateAgain,
    cause: Cause | None = None,
) -> list[Entry]:
    """Settle everything that might belong together, and book what changed."""
    settlement = settle((one.observation for one in component.values()), ledger.unlinked())
    rows = _rows_by_observation(component.values())
    prior = _prior(ledger, component.values())
    revived = ledger.booked(verdict.charge_id for verdict in settlement.verdicts)
    entries: list[Entry] = []
    assigned: list[tuple[str | None, int | None, str | None, int]] = []
    taken: set[str] = set()
    for verdict in settlement.verdicts:
        stored = [rows[id(member.observation)] for member in verdict.members]
        charge_id = _charge_id(verdict, stored, prior, taken)
        taken.add(charge_id)
        flags = (*verdict.flags, *_late(stored))
        before = prior.get(charge_id)
        if before is None and (charge_id in revived or charge_id != verdict.charge_id):
            before = _prior_of(ledger, charge_id)  # merged once, and parted since, maybe not once
        booked = _entries(ledger, charge_id, verdict, before, now_us, rate_again, flags)
        entries += [entry._replace(cause=cause or entry.cause) for entry in booked]
        assigned += [
            (charge_id, member.rule, None, row.n)
            for member, row in zip(verdict.members, stored, strict=True)
        ]
    for charge_id, before in prior.items():
        if charge_id not in taken:
            entries += book(
                charge_id, (), before.booked, cause="duplicate", cause_id=None, booked_us=now_us
            )
    settled = {row[3] for row in assigned}
    assigned += [
        (None, None, settlement.ignored.get(one.observation.id, "context"), one.n)
        for one in component.values()
        if one.n not in settled
    ]
    ledger.assign(assigned)
    return entries


def _rows_by_observation(stored: Iterable[Stored]) -> Mapping[int, Stored]:
    """By identity: two copies of one observation are two rows."""
    return {id(one.observation): one for one in stored}


def _prior(ledger: Ledger, stored: Iterable[Stored]) -> dict[str, _Prior]:
    """The charges that these observations are booked under, first booked first."""
    found: dict[str, _Prior] = {}
    for charge_id in dict.fromkeys(one.charge_id for one in stored if one.charge_id):
        if (prior := _prior_of(ledger, charge_id)) is not None:
            found[charge_id] = prior
    return dict(sorted(found.items(), key=lambda item: item[1].first_seq))


def _prior_of(ledger: Ledger, charge_id: str) -> _Prior | None:
    entries = ledger.entries_of(charge_id)
    booked = net(entries)
    return None if booked is None else _Prior(booked, entries[0].seq, entries[-1].occurred_us)


def _charge_id(
    verdict: Verdict, stored: list[Stored], prior: Mapping[str, _Prior], taken: set[str]
) -> str:
    """A booked charge keeps its id; of several the one booked first stays; a new one has its first member's."""
    mine = {one.charge_id for one in stored}
    for charge_id in prior:
        if charge_id in mine and charge_id not in taken:
            return charge_id
    if verdict.charge_id not in taken and verdict.charge_id not in prior:
        return verdict.charge_id
    return blake2b(f"parted from {verdict.charge_id}".encode(), digest_size=16).hexdigest()


def _late(stored: list[Stored]) -> tuple[str, ...]:
    """Whether all of it came after the evidence of its time was forgotten."""
    late = all(one.ingested_us - one.observation.end_us > EVIDENCE_US for one in stored)
    return ("late",) if late else ()


def _entries(
    ledger: Ledger,
    charge_id: str,
    verdict: Verdict,
    prior: _Prior | None,
    now_us: int,
    rate_again: RateAgain,
    flags: tuple[str, ...],
) -> tuple[Entry, ...]:
    verdict = _rated_again(ledger, charge_id, verdict, prior, rate_again)
    if prior is None:
        wanted = positions(verdict, contracts=ledger.contracts)
        return book(
            charge_id, wanted, None, cause="charged", cause_id=None, booked_us=now_us, flags=flags
        )
    reasons = {position.reason for position in prior.booked.positions}
    occurred_us = None if reasons == {"unfinished"} else prior.occurred_us
    wanted = positions(verdict, occurred_us, ledger.contracts)
    return book(
        charge_id,
        wanted,
        prior.booked,
        cause=_cause(wanted[0].attribution.tenant, prior.booked),
        cause_id=verdict.members[-1].observation.id,
        booked_us=now_us,
        flags=flags,
    )


def _rated_again(
    ledger: Ledger, charge_id: str, verdict: Verdict, prior: _Prior | None, rate_again: RateAgain
) -> Verdict:
    """The verdict with the book of its last re-rate, if there was one; else, where no member's cost fits it, with the
    richest member's."""
    digest = ledger.rerated_book(charge_id) if prior is not None else None
    if digest is None and verdict.is_patched:
        digest = verdict.richest.cost.book
    if digest is None or verdict.cost.reason in NEVER_RATED:
        return verdict
    cost = rate_again(verdict.richest, digest)
    return verdict if cost is None else verdict._replace(cost=cost)


def _cause(tenant: str | None, booked: Booked) -> Cause:
    before = {position.attribution.tenant for position in booked.positions}
    return "enriched" if tenant in before else "reattributed"
