"""The port: where booked entries go.

A sink remembers (ledger id, last seq) in the same transaction as the entries themselves. A batch that comes again
changes nothing, and a rebuilt ledger, which has a new id, refills the sink from the start. So does one that was put
back from an older copy, if that is noticed before it has outgrown the sink.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any, Final, NamedTuple, Protocol, cast, runtime_checkable

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger

__all__ = ["GROUP", "Mark", "Queryable", "Rows", "Sink", "feed", "load_sink"]

GROUP: Final = "otel_genai_cost.sinks"
_BATCH: Final = 5_000


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


class Rows(NamedTuple):
    """The answer to a query."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@runtime_checkable
class Queryable(Protocol):
    """A sink that answers SQL over a table `entries`; reports work on it."""

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """The rows that a statement gives; `parameters` stand for its question marks."""
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
    found = entry_points(group=GROUP)
    if name not in found.names:
        raise ConfigurationError(
            "no such sink",
            value=name,
            remedy=f"installed: {', '.join(sorted(found.names)) or 'none'}",
        )
    return cast("Sink", found[name].load()(**options))


def feed(ledger: Ledger, sink: Sink) -> int:
    """Bring a sink up to the ledger.

    Returns:
        The number of entries it was given.

    Raises:
        LedgerError: if an entry is damaged. Whatever the sink raises is raised too.
    """
    mark = sink.mark()
    if mark is not None and (mark.ledger_id != ledger.id or mark.seq > ledger.entries.last_seq()):
        sink.reset()  # a rebuilt ledger has another id, one that was put back from a copy has less
        mark = None
    seq, given = (mark.seq if mark else 0), 0
    while batch := list(ledger.entries.since(seq, _BATCH)):
        sink.append(ledger.id, batch)
        seq, given = batch[-1].seq, given + len(batch)
    return given
