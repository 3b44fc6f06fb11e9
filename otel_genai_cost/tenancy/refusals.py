"""Tenants and labels that were not believed, counted by reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Refused", "not_counted", "refusals", "refuse"]

Refused: TypeAlias = Callable[[str], None]
"""What is called with the reason of each value that is not believed."""

refusals: dict[str, int] = {}
"""How often a tenant id or label was refused, by reason; metrics read it."""


def refuse(reason: str) -> None:
    """Count something that was refused."""
    refusals[reason] = refusals.get(reason, 0) + 1


def not_counted(reason: str) -> None:
    """Of a call that only begins: what is refused is counted when it ends, once."""
