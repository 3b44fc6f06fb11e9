"""How tenants are named where a word stands for calls that are nobody's: `=unattributed` is the tenant of that id."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from otel_genai_cost.limits.unusual import NOBODY

__all__ = ["ids_in", "is_named", "name_of"]

_ID: Final = "="
"""What follows is an id, whatever word it is. No id has this character."""


def is_named(
    tenant: str | None,
    names: Collection[str],
    nobody: str = NOBODY,
    words: Collection[str] = (NOBODY,),
) -> bool:
    """Whether names stand for a tenant, or for none.

    Args:
        tenant: its id; None for calls that are nobody's.
        names: ids, ids behind `=`, and words.
        nobody: the word for such calls.
        words: all words that are no ids.
    """
    if tenant is None:
        return nobody in names
    return f"{_ID}{tenant}" in names or (tenant in names and tenant not in words)


def name_of(tenant: str | None) -> str:
    """A tenant as people read it and may ask for it.

    Args:
        tenant: its id; None for calls that are nobody's.
    """
    if tenant is None:
        return NOBODY
    return f"{_ID}{tenant}" if tenant == NOBODY else tenant


def ids_in(names: Collection[str]) -> list[str]:
    """The ids among names, without what stands for nobody's calls."""
    return [name.removeprefix(_ID) for name in names if name != NOBODY]
