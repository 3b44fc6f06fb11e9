"""What of ours is in place in this process: clients, queues and ends of servers watched, edges put in. The start-up
line and `doctor` show it."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

__all__ = ["BY_INSTALL", "PatchKind", "Place", "State", "forget", "note", "places"]

BY_INSTALL: Final = "_genai_cost_by_install"
"""The mark of an instrumentor that nobody asked for by name: it gives way to who does."""

PatchKind = Literal["client", "edge", "queue", "server"]
State = Literal["waiting", "on", "failed"]
"""`waiting`: the application has not imported the library yet."""


class Place(NamedTuple):
    """A library that is instrumented."""

    kind: PatchKind
    library: str
    state: State


_places: dict[tuple[PatchKind, str], Place] = {}


def note(kind: PatchKind, library: str, state: State) -> None:
    """Record how it stands with a library. One that failed in part has failed, until it is forgotten.

    Args:
        kind: client, edge, queue, or server.
        library: its name.
        state: waiting for its import, on, or failed.
    """
    known = _places.get((kind, library))
    if known is None or known.state != "failed":
        _places[kind, library] = Place(kind, library, state)


def forget(kind: PatchKind, library: str) -> None:
    """It is not instrumented any more."""
    _places.pop((kind, library), None)


def places() -> tuple[Place, ...]:
    """All of them, in the order in which they were noted first."""
    return tuple(_places.values())
