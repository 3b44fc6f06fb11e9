"""What of ours is in place in this process: libraries watched, edges put in. The start-up line and `doctor` tell it."""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["Kind", "Place", "State", "forget", "note", "places"]

Kind = Literal["client", "edge"]
State = Literal["waiting", "on", "failed"]
"""`waiting`: the application has not imported the library yet."""


class Place(NamedTuple):
    """A library that is instrumented."""

    kind: Kind
    library: str
    state: State


_places: dict[tuple[Kind, str], Place] = {}


def note(kind: Kind, library: str, state: State) -> None:
    """Say how it stands with a library. One that failed in part has failed, until it is forgotten."""
    known = _places.get((kind, library))
    if known is None or known.state != "failed":
        _places[kind, library] = Place(kind, library, state)


def forget(kind: Kind, library: str) -> None:
    """It is not instrumented any more."""
    _places.pop((kind, library), None)


def places() -> tuple[Place, ...]:
    """All of them, in the order in which they were noted first."""
    return tuple(_places.values())
