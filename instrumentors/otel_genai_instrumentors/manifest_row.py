"""One row of what is instrumented."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Row"]

RowKind = Literal["client", "edge", "queue", "server"]


class Row(NamedTuple):
    """One library: the entry point, the versions that it is for, what is covered, and whether it is a client of a
    provider, an edge, where requests come in, or a queue. `tested` are the oldest and the newest version that ran the
    contract of clients, or the matrix of queues."""

    library: str
    entry_point: str
    versions: str
    covers: str
    kind: RowKind = "client"
    tested: tuple[str, ...] = ()
