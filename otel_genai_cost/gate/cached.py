"""A store elsewhere, asked seldom: a batch of operations reads at once what all of it needs, and writes at once.

An operation is run on what is known. What it lacks is noted, read for the whole batch, and all are run again, until
nothing is lacking; then what they wrote is written in one go. So a batch of 256 takes four trips to the store or five,
however many budgets apply.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, NamedTuple, Protocol, TypeVar, cast
from urllib.parse import urlsplit

from otel_genai_cost.errors import fence
from otel_genai_cost.gate.batches import Batches, Pending
from otel_genai_cost.gate.store import Operation, StoreUnavailableError
from otel_genai_cost.ledger.projections.credit_standing import (
    NO_CREDIT,
    CreditStanding,
    standing_of_text,
)
from otel_genai_cost.ledger.projections.mirrored import Mirrored, MirrorMark
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.credit_budget import credit_places
from otel_genai_cost.limits.hold import (
    NOTHING_COMMITTED,
    Change,
    Committed,
    Hold,
    HoldEvent,
    Place,
    change,
    next_state,
)
from otel_genai_cost.plug_ins import plug_in

__all__ = [
    "Backend",
    "Basis",
    "Batch",
    "CachedStore",
    "Changes",
    "Found",
    "Query",
    "Wanted",
    "open_backend",
]

_T = TypeVar("_T")
_FAILED: Final = "the operation failed, and nothing of it took effect"
_TRIES_MAX: Final = 100
_ROUNDS_MAX: Final = 50

GROUP: Final = "otel_genai_cost.gate_stores"
"""The group of entry points; a store is registered under the scheme of its address."""

Query = tuple[Any, ...]
"""`("due", limit)`, `("open", tenant)`, `("keys", series, period_from_us)` or `("credit", tenant)`: a text, if any."""


class Basis(NamedTuple):
    """What a ledger has brought to a store: its budgets, until when (unix microseconds) it is up to date, and the last
    entry in its sums."""

    budgets: tuple[Budget, ...]
    at_us: int
    seq: int


_NOTHING: Final = Basis((), 0, 0)


class Wanted(NamedTuple):
    """What is to be read."""

    holds: set[str]
    places: set[Place]
    queries: set[Query]

    def __bool__(self) -> bool:
        return bool(self.holds or self.places or self.queries)


class Found(NamedTuple):
    """What was read: every hold and place that was wanted, and answers to queries."""

    holds: dict[str, Hold | None]
    places: dict[Place, Committed]
    queries: dict[Query, list[Any]]


class Changes(NamedTuple):
    """What is to be written: holds as they are, the open sums of places as they are, whether what has been over for a
    week is to be forgotten, and what a ledger brings."""

    holds: Mapping[str, Hold]
    sums: Mapping[Place, Change]
    prunes: bool
    brought: Mirrored | None = None


class Backend(Protocol):
    """A store's own ways. Any method may raise StoreUnavailableError; `roll_back` follows then."""

    def begin(self) -> Basis | None:
        """Begin a transaction; None if no ledger has ever brought anything."""
        ...

    def read(self, wanted: Wanted, now_us: int) -> Found:
        """What is wanted, as it stands within the transaction.

        Args:
            wanted: what.
            now_us: unix microseconds.
        """
        ...

    def commit(self, changes: Changes, now_us: int) -> bool:
        """Write, and end the transaction; False if somebody else wrote since it began, and nothing was written.

        Args:
            changes: what.
            now_us: unix microseconds.
        """
        ...

    def roll_back(self) -> None:
        """End the transaction without a change, or what is left of it."""
        ...

    def position(self) -> MirrorMark | None:
        """How far a ledger has brought it; None if none has."""
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...


def open_backend(address: str) -> Backend:
    """The store at an address, such as `postgresql://host/database` or `redis://host/0`.

    Args:
        address: a URL.

    Raises:
        ConfigurationError: if there is none of that kind.
        MissingExtraError: if its library is not installed.
    """
    scheme = urlsplit(address).scheme
    return cast("Backend", plug_in(GROUP, scheme, "store of holds")(address))


class CachedStore:
    """A store whose batches are run by one thread.

    Args:
        backend: the store's own ways; used by that thread alone.
        clock_us: the time, unix microseconds.
    """

    def __init__(self, backend: Backend, clock_us: Callable[[], int]) -> None:
        self._backend, self._clock_us = backend, clock_us
        self._batch = Batch(backend, clock_us)
        self._batches = Batches("genai-cost gate", self._run, backend.close)

    def submit(self, operation: Operation[_T]) -> Future[_T]:
        return self._batches.submit(operation)

    def lag_us(self) -> int:
        at_us = self._batch.at_us
        return 0 if at_us is None else max(0, self._clock_us() - at_us)

    def close(self) -> None:
        self._batches.close()

    def _run(self, pending: Sequence[Pending]) -> None:
        try:
            results = self._batch.run([one.operation for one in pending])
        except StoreUnavailableError as error:
            self._backend.roll_back()
            results = [error] * len(pending)
        for one, result in zip(pending, results, strict=True):
            one.done(result)


class Batch:
    """Operations that are run together, and take effect together.

    Args:
        backend: the store's own ways.
        clock_us: the time, unix microseconds.

    Attributes:
        at_us: until when the store was up to date the last time, unix microseconds; None before.
    """

    def __init__(self, backend: Backend, clock_us: Callable[[], int]) -> None:
        self._backend, self._clock_us = backend, clock_us
        self.at_us: int | None = None

    def run(
        self, operations: Sequence[Operation[Any]], brought: Mirrored | None = None
    ) -> list[object]:
        """What each operation comes to.

        Args:
            operations: in order.
            brought: what a ledger brings with them.

        Raises:
            StoreUnavailableError: if the store cannot be reached, or no ledger has brought anything to it.
        """
        for _ in range(_TRIES_MAX):
            basis, now_us = self._backend.begin(), self._clock_us()
            if basis is None and brought is None:
                raise StoreUnavailableError("no ledger has brought its budgets to this store")
            self.at_us = None if basis is None else basis.at_us
            changes, results = self._finished(basis or _NOTHING, now_us, operations)
            if self._backend.commit(changes._replace(brought=brought), now_us):
                return results
        raise StoreUnavailableError("too many others write to the store")

    def _finished(
        self, basis: Basis, now_us: int, operations: Sequence[Operation[Any]]
    ) -> tuple[Changes, list[object]]:
        """Run them until nothing is lacking."""
        known = Found({}, {}, {})
        for _ in range(_ROUNDS_MAX):
            transaction = _Transaction(basis, known, now_us)
            results = [transaction.run(operation) for operation in operations]
            changes, wanted = transaction.changes(), transaction.wanted
            if not wanted:
                return changes, results
            found = self._backend.read(wanted, now_us)
            known.holds.update(found.holds)
            known.places.update(found.places)
            known.queries.update(found.queries)
        raise StoreUnavailableError("an operation asks for more and more")


class _Transaction:
    """What is known of the store, and what a batch has changed of that so far."""

    def __init__(self, basis: Basis, known: Found, now_us: int) -> None:
        self._basis, self._known, self._now_us = basis, known, now_us
        self._written: dict[str, Hold] = {}
        self._changed: dict[Place, Change] = {}
        self._prunes = False
        self.wanted = Wanted(set(), set(), set())

    def run(self, operation: Operation[Any]) -> object:
        """What an operation comes to; of one that fails nothing stays."""
        written, changed = dict(self._written), dict(self._changed)
        with fence("gate.operation"):
            return operation(self)
        self._written, self._changed = written, changed
        return StoreUnavailableError(_FAILED)

    def changes(self) -> Changes:
        """All that was changed."""
        sums = {place: self._open(place) for place in self._changed}
        return Changes(self._written, sums, self._prunes)

    @property
    def now_us(self) -> int:
        return self._now_us

    def budgets(self) -> tuple[Budget, ...]:
        return self._basis.budgets

    def find(self, hold_id: str) -> Hold | None:
        written = self._written.get(hold_id)
        if written is not None:
            return written
        if hold_id not in self._known.holds:
            self.wanted.holds.add(hold_id)
        return self._known.holds.get(hold_id)

    def committed(self, place: Place) -> Committed:
        known = self._known.places.get(place)
        if known is None:
            self.wanted.places.add(place)
            return NOTHING_COMMITTED
        return Committed(known.booked, *self._open(place))

    def write(self, before: Hold | None, after: Hold) -> None:
        if before == after:
            return
        self._written[after.id] = after
        for place, one in change(before, after).items():
            was = self._changed.get(place, Change(0, 0))
            self._changed[place] = Change(was.open + one.open, was.in_flight + one.in_flight)

    def due(self, limit: int) -> list[tuple[Hold, HoldEvent]]:
        """Without those that this batch has already taken further."""
        found: list[tuple[Hold, HoldEvent]] = self._asked(("due", limit))
        latest: list[tuple[Hold, HoldEvent]] = [
            (self._written.get(hold.id, hold), event) for hold, event in found
        ]
        return [
            (hold, event) for hold, event in latest if next_state(hold.state, event) != hold.state
        ]

    def open(self, tenant: str | None = None) -> list[Hold]:
        found: list[Hold] = self._asked(("open", tenant))
        every = {hold.id: hold for hold in found}
        every.update(
            {one.id: one for one in self._written.values() if tenant in (None, one.tenant)}
        )
        return sorted((hold for hold in every.values() if hold.is_open), key=lambda hold: hold.id)

    def keys(self, series: str, period_from_us: int) -> list[str]:
        found: list[str] = self._asked(("keys", series, period_from_us))
        mine = (
            one.key
            for one in self._changed
            if (one.series, one.period_from_us) == (series, period_from_us)
        )
        return sorted({*found, *mine})

    def credit(self, tenant: str) -> tuple[int, CreditStanding]:
        texts: list[str] = self._asked(("credit", tenant))
        found = standing_of_text(texts[0]) if texts else NO_CREDIT
        held = {
            one.currency: self._open(credit_places(tenant, one.currency).burnt).open
            for one in found.balances
        }
        return self._basis.seq, found.as_of(self._basis.seq, held)

    def prune(self) -> None:
        self._prunes = True

    def _asked(self, query: Query) -> list[Any]:
        if query not in self._known.queries:
            self.wanted.queries.add(query)
        return self._known.queries.get(query, [])

    def _open(self, place: Place) -> Change:
        """What open holds take of a place by now."""
        known = self._known.places.get(place)
        if known is None:
            self.wanted.places.add(place)
            known = NOTHING_COMMITTED
        changed = self._changed.get(place, Change(0, 0))
        return Change(known.open + changed.open, known.in_flight + changed.in_flight)
