"""The port: where booked entries go.

A sink remembers (ledger id, last seq) in the same transaction as the entries themselves. A batch that comes again
changes nothing, and a rebuilt ledger, which has a new id, refills the sink from the start. So does one that was put
back from an older copy, if that is noticed before it has outgrown the sink.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol, cast, runtime_checkable

from otel_genai_cost.ledger.day_sums import ByTenant, DaySum, Verifiable
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.garbage import no_garbage_collection
from otel_genai_cost.ledger.projections.counters import dimensions_of
from otel_genai_cost.ledger.projections.credit_standing import credit_standings
from otel_genai_cost.ledger.projections.mirrored import Mirror, Mirrored, MirrorMark, Outcome
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget
from otel_genai_cost.limits.hold import Hold, Place
from otel_genai_cost.plug_ins import plug_in

__all__ = [
    "GROUP",
    "Bulk",
    "ByTenant",
    "Configurable",
    "DaySum",
    "Mark",
    "Publisher",
    "Queryable",
    "Rejectable",
    "Rejected",
    "Remote",
    "Rows",
    "Sink",
    "Verifiable",
    "fed_seq",
    "feed",
    "load_sink",
]

GROUP: Final = "otel_genai_cost.sinks"
_BATCH: Final = 5_000
_BROUGHT: Final = "2"
"""Changes with what is brought to a mirror, so that all of it is brought to one that an older version fed."""


class Mark(NamedTuple):
    """How far a sink is.

    Attributes:
        ledger_id: whose entries it has.
        seq: the last of them.
    """

    ledger_id: str
    seq: int


class Sink(Protocol):
    """An outlet. Any method may raise; the caller tries again later, from the sink's own mark."""

    def mark(self) -> Mark | None:
        """How far it is; None if it is empty."""
        ...

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        """Store entries, and the mark after the last, together or not at all.

        Args:
            ledger_id: whose they are.
            entries: in order; those up to the mark are skipped.
        """
        ...

    def reset(self) -> None:
        """Forget everything: the entries come from another ledger now."""
        ...

    def close(self) -> None:
        """Let go of whatever it holds. It may be called twice."""
        ...


@runtime_checkable
class Configurable(Protocol):
    """A class of sinks that takes options beside `path`, each a text; those without a default are needed."""

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        ...


class Rows(NamedTuple):
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@runtime_checkable
class Bulk(Protocol):
    """A sink that takes entries as they are read, without holding them, and is faster with many at a time."""

    @property
    def entries_at_once(self) -> int:
        """How many it wants."""
        ...

    def load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        """As `append`, of entries that can be read once."""
        ...


@runtime_checkable
class Queryable(Protocol):
    """A sink that answers SQL over a table `entries`; reports work on it."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """The rows that a statement gives; `parameters` stand for its question marks."""
        ...


@runtime_checkable
class Publisher(Protocol):
    """A sink that has something to send though no entry came, such as sums that readers expect to see every minute."""

    def publish(self) -> None:
        """Send it if it is time. Called after each feeding; what it raises is said of the sink."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A sink whose entries go to a receiver that acknowledges them."""

    @property
    def endpoint(self) -> str:
        """Where they go, for people to read."""
        ...


class Rejected(NamedTuple):
    """An entry that a receiver rejected.

    Attributes:
        seq, id: The entry's.
        message: What the receiver said.
        at_us: When, unix microseconds.
        is_aside: Whether a person set it aside, so that those behind it are sent; else they wait.
    """

    seq: int
    id: str
    message: str
    at_us: int
    is_aside: bool


@runtime_checkable
class Rejectable(Protocol):
    """A sink whose receiver may reject an entry for good."""

    def rejected(self) -> list[Rejected]:
        """What was rejected and not taken since, in order."""
        ...

    def set_aside(self, ledger_id: str) -> Rejected | None:
        """Go past the entry that the sink stands before.

        Args:
            ledger_id: Whose it is.

        Returns:
            Which; None if it stands before none.
        """
        ...

    def send_again(self, ledger_id: str, entry: Entry) -> str:
        """Send an entry that was set aside.

        Args:
            ledger_id: Whose it is.
            entry: Which.

        Returns:
            Why it was not taken; "" if it was, and is no longer among the rejected.
        """
        ...


def load_sink(name: str, **options: Any) -> Sink:
    """The sink registered under a name.

    Args:
        name: of the entry point.
        options: what its class takes.

    Raises:
        ConfigurationError: if there is none.
        MissingExtraError: if its library is not installed.
    """
    return cast("Sink", plug_in(GROUP, name, "sink")(**options))


def feed(
    ledger: Ledger,
    sink: Sink,
    clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Bring a sink up to the ledger.

    Args:
        ledger: whose entries it is given.
        sink: to be fed.
        clock_us: the time, unix microseconds.
        stop: whether to end after the batch at hand.

    Returns:
        The number of entries it was given.

    Raises:
        LedgerError: if an entry is damaged. Whatever the sink raises is raised too.
    """
    if isinstance(sink, Mirror):
        return _mirror(ledger, sink, clock_us())
    mark = sink.mark()
    if mark is not None and (mark.ledger_id != ledger.id or mark.seq > ledger.entries.last_seq()):
        sink.reset()  # a rebuilt ledger has another id, one that was put back from a copy has less
        mark = None
    start = seq = mark.seq if mark else 0
    last = ledger.entries.last_seq()
    while seq < last and not (seq > start and stop()):
        seq = min(last, seq + _give(ledger, sink, seq))
    if isinstance(sink, Publisher):
        sink.publish()
    return seq - start


def _give(ledger: Ledger, sink: Sink, since: int) -> int:
    """Give a sink the next batch; how many it may hold."""
    with no_garbage_collection():
        if isinstance(sink, Bulk):
            sink.load(ledger.id, ledger.entries.since(since, sink.entries_at_once))
            return sink.entries_at_once
        sink.append(ledger.id, list(ledger.entries.since(since, _BATCH)))
        return _BATCH


def _mirror(ledger: Ledger, sink: Mirror, now_us: int) -> int:
    """Bring a sink the sums of a ledger, and what became of the holds that are open there."""
    last_seq, position = ledger.entries.last_seq(), sink.position()
    budgets = ledger.budgets.active(now_us)
    mark = MirrorMark(ledger.id, last_seq, _basis(ledger, budgets), now_us)
    known_seq = 0
    if position is not None and (position.ledger_id, position.basis) == (ledger.id, mark.basis):
        known_seq = position.seq
    is_whole = (
        position is None
        or position.ledger_id != ledger.id
        or not last_seq - _BATCH < known_seq <= last_seq
    )
    booked = _booked(ledger, budgets, None if is_whole else known_seq)
    tenants = _callers(ledger, known_seq)
    booked.update(_credit(ledger, now_us, tenants))
    standings = credit_standings(ledger.credits, now_us, last_seq, tenants)
    credit = {tenant: one.text for tenant, one in standings.items()}
    outcomes = _outcomes(ledger, sink.open_holds(), position)
    sink.mirror(Mirrored(mark, budgets, booked, outcomes, is_whole, credit))
    return last_seq - known_seq


def _outcomes(ledger: Ledger, holds: Sequence[Hold], position: MirrorMark | None) -> list[Outcome]:
    """What became of the holds that are open in a store; a charge that it has heard of ends none of a proxy's again."""
    since = position.seq if position is not None and position.ledger_id == ledger.id else 0
    own = ledger.holds.outcomes(holds)
    known = {one.id for one in own if one.event != "dispatch"}
    others = [hold for hold in holds if hold.id not in known]
    return own + ledger.gateway_holds.outcomes(others, ledger.entries.since(since))


def _basis(ledger: Ledger, budgets: Iterable[Budget]) -> str:
    """Stands for what sums depend on besides entries: what is counted, and by which exchange rates."""
    series = sorted({one.series for one in budgets})
    parts = [_BROUGHT, ledger.contracts.rates_digest, ledger.credits.turns(), *series]
    return blake2b("|".join(map(str, parts)).encode(), digest_size=16).hexdigest()


def _booked(ledger: Ledger, budgets: Sequence[Budget], since: int | None) -> dict[Place, int]:
    """The sums that entries after a seq changed; all of these budgets' where none is given."""
    currencies = {one.series: one.currency for one in budgets}
    if since is None:
        every = (one for series in currencies for one in ledger.budgets.counters(series))
        return {
            one.place: one.booked for one in every if one.currency == currencies[one.place.series]
        }
    places: set[Place] = set()
    for entry in ledger.entries.since(since):
        dimensions = dimensions_of(entry)
        for budget in budgets:
            key = budget.key(dimensions)
            if key is not None:
                places.add(Place(budget.series, key, budget.period_at(entry.occurred_us)[0]))
    return {place: ledger.budgets.booked(*place) for place in places}


def _callers(ledger: Ledger, since: int) -> set[str] | None:
    """The tenants of entries after a seq; None for all after 0."""
    if not since:
        return None
    found = {entry.attribution.tenant for entry in ledger.entries.since(since)}
    return {tenant for tenant in found if tenant is not None}


def _credit(ledger: Ledger, now_us: int, tenants: Iterable[str] | None) -> dict[Place, int]:
    """The sums of these tenants' credit, or of all."""
    if tenants is None:
        return ledger.credits.sums(now_us)
    found: dict[Place, int] = {}
    for tenant in tenants:
        found.update(ledger.credits.sums(now_us, tenant))
    return found


def fed_seq(ledger: Ledger, sink: Sink) -> int:
    """The last entry of a ledger that a sink has; 0 if it has none, or those of another."""
    mark = sink.mark()
    return mark.seq if mark is not None and mark.ledger_id == ledger.id else 0
