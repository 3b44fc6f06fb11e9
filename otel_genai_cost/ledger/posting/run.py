"""A posting run: settles what is ripe and posts what that changes; the step between the file and the pure functions."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.posting.port import SettlingLedger
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.post import Posted, net, post
from otel_genai_cost.ledger.settlement.settle import Settlement, settle
from otel_genai_cost.ledger.settlement.verdict import NEVER_RATED, Verdict
from otel_genai_cost.ledger.storage.candidates import PARTS
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.vocabulary import Cause

__all__ = [
    "EVIDENCE_US",
    "RESPONSES_US",
    "RIPE_AFTER_US",
    "RateAgain",
    "Settled",
    "prune_evidence",
    "rated",
    "settle_waiting",
    "unlink",
]

_logger = logging.getLogger("otel_genai_cost")

_HOUR_US: Final = 3_600_000_000
_PRUNED: Final = "evidence_pruned"

EVIDENCE_US: Final = 24 * _HOUR_US
"""How long evidence of overlap is kept, from ingestion."""

RESPONSES_US: Final = 35 * EVIDENCE_US
"""How long response ids are kept, from ingestion."""

RIPE_AFTER_US: Final = 10_000_000
"""How long after its end, or its ingestion if that was earlier, an observation is settled."""

RateAgain = Callable[[Observation, str], Cost | None]
"""The cost of an observation with the book of that digest; None if the book is not to be had."""

_BATCH: Final = 5_000
_WARNED_MAX: Final = 5


class Settled(NamedTuple):
    """What a batch came to: observations that were waiting, entries posted, and charges with copies of one span that
    contradict each other."""

    waiting: int
    entries: int
    conflicts: int


def settle_waiting(
    ledger: SettlingLedger, ripe_us: int, now_us: int, rate_again: RateAgain, limit: int = _BATCH
) -> Settled:
    """Settle what is ripe and post the difference, inside the caller's transaction.

    Args:
        ledger: what to settle in.
        ripe_us: observations that are ripe by then (unix microseconds) are settled.
        now_us: the time of posting, unix microseconds.
        rate_again: finds the cost by another book.
        limit: how many observations at most.

    Raises:
        LedgerError: if a row that belongs to them is damaged.
    """
    waiting = ledger.observations.waiting(ripe_us, limit)
    if not waiting:
        return Settled(0, 0, 0)
    entries = _Run(ledger, now_us, rate_again).settle(waiting)
    conflicts = {entry.charge_id for entry in entries if "conflict" in entry.flags}
    for charge_id in sorted(conflicts)[:_WARNED_MAX]:
        _logger.warning("copies of one span differ in provider, model or usage: %s", charge_id)
    return Settled(len(waiting), len(entries), len(conflicts))


def prune_evidence(ledger: Ledger, now_us: int) -> int:
    """Forget what no rule needs any more, at most once an hour whoever asks, in one transaction.

    Args:
        ledger: what to prune.
        now_us: the time, unix microseconds.

    Returns:
        The number of keys forgotten.
    """
    last_us = int(ledger.noted(_PRUNED) or 0)
    if 0 <= now_us - last_us < _HOUR_US:
        return 0
    with ledger.transaction():
        ledger.note(_PRUNED, str(now_us))
        turns = _turns(last_us // _HOUR_US, now_us // _HOUR_US)
        return ledger.candidates.prune(now_us - EVIDENCE_US, now_us - RESPONSES_US, turns)


def _turns(last_hour: int, hour: int) -> set[int]:
    """Whose turn it has been since the last time, of all parts within a day: who ships once a day, and always in the
    same hour, gets to each of them too. A clock that was put back is at its own hour."""
    first = min(hour, max(last_hour + 1, hour - PARTS + 1))
    return {each % PARTS for each in range(first, hour + 1)}


def unlink(
    ledger: SettlingLedger, observation_id: str, now_us: int, rate_again: RateAgain
) -> list[Entry]:
    """Let an observation stand alone from now on, inside the caller's transaction. One that waits does when its time
    comes.

    Args:
        ledger: what to settle in.
        observation_id: whole.
        now_us: the time of posting, unix microseconds.
        rate_again: finds the cost by another book.

    Returns:
        The entries posted for that.
    """
    ledger.observations.unlink(observation_id, now_us)
    found = ledger.observations.settled_copies(observation_id)
    return _Run(ledger, now_us, rate_again).settle(found, "unlinked")


class _Prior(NamedTuple):
    """A charge as it is posted already. `rerated_by` is the book of its last re-rate."""

    posted: Posted
    first_seq: int
    occurred_us: int
    rerated_by: str | None


class _Charged(NamedTuple):
    """A verdict, the rows of its members in their order, and the charge it is posted as."""

    charge_id: str
    verdict: Verdict
    rows: list[Stored]
    prior: _Prior | None


class _Run:
    """Settles and posts at one time, in whatever keeps a ledger."""

    def __init__(self, ledger: SettlingLedger, now_us: int, rate_again: RateAgain) -> None:
        self._ledger, self._now_us, self._rate_again = ledger, now_us, rate_again

    def settle(self, start: Sequence[Stored], cause: Cause | None = None) -> list[Entry]:
        """Settle these and everything that might belong to them, and post what changed. `cause` is said of every
        difference, but not of charges that are merged into others."""
        component = self._ledger.candidates.component(start).values()
        unlinked = self._ledger.observations.unlinked()
        settlement = settle((one.observation for one in component), unlinked)
        prior = self._prior(component)
        charged = self._charged(settlement.verdicts, component, prior)
        entries = [
            entry if cause is None else entry._replace(cause=cause)
            for one in charged
            for entry in self._differences(one)
        ]
        entries += self._reversals(prior, {one.charge_id for one in charged})
        self._ledger.observations.assign(_assigned(charged, component, settlement))
        posted = self._ledger.entries.append(entries)
        booked = {entry.charge_id for entry in posted}
        self._ledger.holds.end(one.charge_id for one in charged if one.charge_id not in booked)
        return posted

    def _prior(self, component: Iterable[Stored]) -> dict[str, _Prior]:
        """The charges that these observations are posted under, the one posted first first."""
        found: dict[str, _Prior] = {}
        for charge_id in dict.fromkeys(one.charge_id for one in component if one.charge_id):
            if (prior := self._prior_of(charge_id)) is not None:
                found[charge_id] = prior
        return dict(sorted(found.items(), key=lambda item: item[1].first_seq))

    def _prior_of(self, charge_id: str) -> _Prior | None:
        entries = self._ledger.entries.of(charge_id)
        posted = net(entries)
        if posted is None:
            return None
        rerated = [entry.book for entry in entries if entry.cause == "rerated"]
        return _Prior(
            posted, entries[0].seq, entries[-1].occurred_us, rerated[-1] if rerated else None
        )

    def _charged(
        self,
        verdicts: Sequence[Verdict],
        component: Collection[Stored],
        prior: Mapping[str, _Prior],
    ) -> list[_Charged]:
        """Which charge each verdict is posted as. Rows are distinguished by identity: copies of one observation are
        several."""
        rows = {id(one.observation): one for one in component}
        known = self._ledger.entries.posted(verdict.charge_id for verdict in verdicts)
        found: list[_Charged] = []
        taken: set[str] = set()
        for verdict in verdicts:
            mine = [rows[id(member.observation)] for member in verdict.members]
            charge_id = _charge_id(verdict, mine, prior, taken)
            taken.add(charge_id)
            before = prior.get(charge_id)
            if before is None and (charge_id in known or charge_id != verdict.charge_id):
                before = self._prior_of(charge_id)  # merged once, and parted since, maybe not once
            found.append(_Charged(charge_id, verdict, mine, before))
        return found

    def _differences(self, one: _Charged) -> tuple[Entry, ...]:
        """The entries that take a charge from what is posted to its verdict."""
        prior, contracts = one.prior, self._ledger.contracts
        verdict = rated(one.verdict, None if prior is None else prior.rerated_by, self._rate_again)
        wanted = positions(verdict, _occurred_us(prior), contracts)
        return post(
            one.charge_id,
            wanted,
            None if prior is None else prior.posted,
            cause="charged"
            if prior is None
            else _cause(wanted[0].attribution.tenant, prior.posted),
            cause_id=None if prior is None else verdict.members[-1].observation.id,
            booked_us=self._now_us,
            flags=(*verdict.flags, *_late(one.rows)),
        )

    def _reversals(self, prior: Mapping[str, _Prior], taken: Collection[str]) -> Iterator[Entry]:
        """Charges whose members all belong to another one now."""
        for charge_id, before in prior.items():
            if charge_id not in taken:
                yield from post(
                    charge_id,
                    (),
                    before.posted,
                    cause="duplicate",
                    cause_id=None,
                    booked_us=self._now_us,
                )


def rated(verdict: Verdict, rerated_by: str | None, rate_again: RateAgain) -> Verdict:
    """The verdict with the book of its last re-rate, if there was one; else, where no member's cost fits it, with the
    richest member's. Where that is not to be had, the cost is what it was, and the flag `book_missing` says so.

    Args:
        verdict: what settlement found.
        rerated_by: the digest of the book that the charge was rated again by last.
        rate_again: finds the cost by another book.
    """
    digest = rerated_by
    if digest is None and verdict.is_patched:
        digest = verdict.richest.cost.book
    is_settled = verdict.cost.source == "provider" or verdict.cost.reason in NEVER_RATED
    if digest is None or is_settled:
        return verdict
    cost = rate_again(verdict.richest, digest)
    if cost is None:
        return verdict._replace(flags=(*verdict.flags, "book_missing"))
    return verdict._replace(cost=cost)


def _charge_id(
    verdict: Verdict, rows: Sequence[Stored], prior: Mapping[str, _Prior], taken: Collection[str]
) -> str:
    """A posted charge keeps its id; of several the one posted first stays; a new one has its first member's."""
    mine = {one.charge_id for one in rows}
    for charge_id in prior:
        if charge_id in mine and charge_id not in taken:
            return charge_id
    if verdict.charge_id not in taken and verdict.charge_id not in prior:
        return verdict.charge_id
    return blake2b(f"parted from {verdict.charge_id}".encode(), digest_size=16).hexdigest()


def _assigned(
    charged: Iterable[_Charged], component: Iterable[Stored], settlement: Settlement
) -> Iterator[tuple[str | None, int | None, str | None, int]]:
    """What became of every row: its charge and rule, or why it counts for none."""
    settled: set[int] = set()
    for one in charged:
        for member, row in zip(one.verdict.members, one.rows, strict=True):
            settled.add(row.n)
            yield one.charge_id, member.rule, None, row.n
    for row in component:
        if row.n not in settled:
            yield None, None, settlement.ignored.get(row.observation.id, "context"), row.n


def _occurred_us(prior: _Prior | None) -> int | None:
    """The time that a posted charge keeps; None for a new one, and for a call that was taken for unfinished."""
    if prior is None:
        return None
    reasons = {position.reason for position in prior.posted.positions}
    return None if reasons == {"unfinished"} else prior.occurred_us


def _late(rows: Iterable[Stored]) -> tuple[str, ...]:
    """Whether all of it came after the evidence of its time was forgotten."""
    for one in rows:
        if one.ingested_us - one.observation.end_us <= EVIDENCE_US:
            return ()
    return ("late",)


def _cause(tenant: str | None, posted: Posted) -> Cause:
    before = {position.attribution.tenant for position in posted.positions}
    return "enriched" if tenant in before else "reattributed"
