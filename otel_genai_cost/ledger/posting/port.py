"""The port: what settling and posting ask of a ledger, whatever keeps it.

One SQLite file does, and so does the state of one key of a stream; the rules above it are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.observations import Assigned
from otel_genai_cost.ledger.storage.rows import Stored

__all__ = [
    "KeptEntries",
    "KeptEvidence",
    "KeptHolds",
    "KeptObservations",
    "RatedLedger",
    "SettlingLedger",
]


class KeptObservations(Protocol):
    """What the journals said, and what became of it. See `storage.observations`."""

    def waiting(self, ripe_us: int, limit: int) -> list[Stored]: ...
    def assign(self, rows: Iterable[Assigned]) -> None: ...
    def unlink(self, observation_id: str, at_us: int) -> bool: ...
    def unlinked(self) -> frozenset[str]: ...
    def settled_copies(self, observation_id: str) -> list[Stored]: ...
    def by_charge(self, charge_ids: Sequence[str]) -> Mapping[str, list[Observation]]: ...


class KeptEntries(Protocol):
    """The money. See `storage.entries`."""

    def append(self, entries: Sequence[Entry]) -> list[Entry]: ...
    def of(self, charge_id: str) -> list[Entry]: ...
    def by_charge(self, charge_ids: Sequence[str]) -> Mapping[str, list[Entry]]: ...
    def posted(self, charge_ids: Iterable[str]) -> frozenset[str]: ...
    def charge_ids(self) -> Iterable[str]: ...


class KeptEvidence(Protocol):
    """What may be one response. See `storage.component`."""

    def component(self, start: Sequence[Stored]) -> Mapping[int, Stored]: ...


class KeptHolds(Protocol):
    """What calls that are not booked yet may come to. See `projections.holds`."""

    def end(self, charge_ids: Iterable[str]) -> None: ...


class SettlingLedger(Protocol):
    """What observations are settled in, and entries posted."""

    @property
    def observations(self) -> KeptObservations: ...
    @property
    def entries(self) -> KeptEntries: ...
    @property
    def candidates(self) -> KeptEvidence: ...
    @property
    def holds(self) -> KeptHolds: ...
    @property
    def contracts(self) -> Contracts: ...


class RatedLedger(SettlingLedger, Protocol):
    """What is rated again."""

    @property
    def contracts_digest(self) -> str | None: ...
    def bill_by(self, contracts: Contracts) -> None: ...
    def transaction(self) -> AbstractContextManager[None]: ...
