"""What a check of `doctor` answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from otel_genai_cost.cli.home import Home

__all__ = ["Check", "Found", "State", "failed", "fine", "judged", "warned"]

State = Literal["ok", "warning", "failure"]


class Found(NamedTuple):
    """One thing looked at: its name, how it is, what was seen, and what to do if it isn't fine."""

    name: str
    state: State
    seen: str
    remedy: str = ""


Check = Callable[[Home], Iterable[Found]]
"""Looks at one thing. Never raises for what it finds: what cannot be read is a failure with its remedy."""


def fine(name: str, seen: str) -> Found:
    """Nothing to do."""
    return Found(name, "ok", seen)


def warned(name: str, seen: str, remedy: str) -> Found:
    """Worth knowing; the exit code stays 0.

    Args:
        name: of what was looked at.
        seen: what was found.
        remedy: what to do about it.
    """
    return Found(name, "warning", seen, remedy)


def failed(name: str, seen: str, remedy: str) -> Found:
    """Wrong: the exit code is 1.

    Args:
        name: of what was looked at.
        seen: what was found.
        remedy: what to do about it.
    """
    return Found(name, "failure", seen, remedy)


def judged(name: str, ok: bool, seen: str, remedy: str) -> Found:
    """Fine or wrong.

    Args:
        name: of what was looked at.
        ok: whether it is fine.
        seen: what was found.
        remedy: what to do if it is wrong.
    """
    return fine(name, seen) if ok else failed(name, seen, remedy)
