"""What a ledger's own history says of each key that a stream can be cut by: how many joins it would have lost, and what
would have been charged in excess.

Nothing is estimated. What was settled together and would have come to several workers is settled once whole and once in
those parts, by the ledger's own functions, and the difference is what the key costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.run import RateAgain, rated
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy, partition_key

__all__ = ["Lost", "partition_check"]


class Lost(NamedTuple):
    """What a key would have lost.

    Attributes:
        key: which.
        joins: observations that are no charge of their own because of others.
        lost: those of them that would have been one.
        moved: charges that their tenant would no longer have had, because what names it would have been elsewhere.
        amounts: what all of this would have come to in excess, by currency, in atto.
    """

    key: PartitionBy
    joins: int
    lost: int
    moved: int
    amounts: Counter[str]


def partition_check(ledger: Ledger, rate_again: RateAgain) -> Iterator[Lost]:
    """What each key would have lost of this ledger's history.

    Args:
        ledger: open; it is only read.
        rate_again: finds the cost by another book.

    Raises:
        LedgerError: if a row is damaged.
    """
    joins, unlinked = ledger.tied.joins(), ledger.observations.unlinked()
    for key in PARTITIONS:
        whole, parts = _Sums(), _Sums()
        for group in ledger.tied.across(key):
            whole.settle(group, unlinked, ledger.contracts, rate_again)
            for part in _parts(group, key):
                parts.settle(part, unlinked, ledger.contracts, rate_again)
        excess = Counter(parts.amounts)
        excess.subtract(whole.amounts)
        moved = whole.tenants - parts.tenants
        yield Lost(key, joins, whole.joined - parts.joined, moved.total(), excess)


def _parts(group: Iterable[Observation], key: PartitionBy) -> Iterable[list[Observation]]:
    parts: dict[str, list[Observation]] = {}
    for one in group:
        parts.setdefault(partition_key(one, key), []).append(one)
    return parts.values()


class _Sums:
    """What settling came to: observations joined, the tenants of charges, and the amounts by currency."""

    def __init__(self) -> None:
        self.joined = 0
        self.tenants: Counter[str | None] = Counter()
        self.amounts: Counter[str] = Counter()

    def settle(
        self,
        observations: Sequence[Observation],
        unlinked: frozenset[str],
        contracts: Contracts,
        rate_again: RateAgain,
    ) -> None:
        """Settle these by themselves, and add what that comes to."""
        settlement = settle(observations, unlinked)
        self.joined += sum(why != "context" for why in settlement.ignored.values())
        for verdict in settlement.verdicts:
            self.joined += sum(member.rule is not None for member in verdict.members)
            for one in positions(rated(verdict, None, rate_again), None, contracts):
                self.tenants[one.attribution.tenant] += 1
                self.amounts[one.currency] += one.amount
