"""Who looks at a page, and the one function that narrows what is read to what they may see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.selection import NOBODY, Selection
from otel_genai_cost.vocabulary import Side

__all__ = ["EVERYBODY", "LOCAL", "ROLES", "Role", "Viewer", "narrowed"]

Role = Literal["finance", "engineer", "success", "tenant"]

_SIDES: Final[Mapping[Role, tuple[Side, ...]]] = {
    "finance": ("cost", "price"),
    "engineer": ("cost",),
    "success": ("price",),
    "tenant": ("price",),
}

ROLES: Final[tuple[Role, ...]] = tuple(_SIDES)

EVERYBODY: Final[tuple[Role, ...]] = tuple(role for role in ROLES if role != "tenant")
"""The team: all but tenants themselves."""


class Viewer(NamedTuple):
    """Who looks.

    Attributes:
        role: what they are to the team.
        tenants: whose figures they may see, by the ids that calls are shown under; None for everybody's, which a
            tenant's viewer never has.
        name: what the provider of their identity calls them; shown to them, and counted by.
    """

    role: Role
    tenants: tuple[str, ...] | None = None
    name: str = ""

    @property
    def visible(self) -> tuple[str, ...] | None:
        """The tenants that they may see at all; None for everything, empty for nothing. What is nobody's is never a
        tenant's."""
        if self.tenants is None:
            return () if self.role == "tenant" else None
        return tuple(one for one in dict.fromkeys(self.tenants) if one != NOBODY)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Whose money they may see: what calls cost us, what customers pay, or both."""
        return _SIDES[self.role]

    @property
    def sees_cost(self) -> bool:
        """Whether what calls cost us may be asked for."""
        return "cost" in self.sides

    @property
    def sees_price(self) -> bool:
        """Whether what customers pay may be asked for."""
        return "price" in self.sides

    @property
    def sees_margin(self) -> bool:
        """Whether the difference of both may be asked for."""
        return self.sees_cost and self.sees_price

    @property
    def sees_all(self) -> bool:
        """Whether figures of all tenants together, and those that are nobody's, may be asked for."""
        return self.visible is None

    def may_see(self, tenant: str | None) -> bool:
        """Whether a tenant's figures may be seen.

        Args:
            tenant: the id that calls are shown under; None for those without one.
        """
        return self.visible is None or tenant in self.visible


LOCAL: Final = Viewer("finance")
"""Whoever asks on the machine itself, where nobody has to say who they are."""


def narrowed(selection: Selection, viewer: Viewer, directory: Directory) -> Selection:
    """What a viewer may see of what was asked for: every page takes its selection from here.

    Whoever may see some tenants only sees calls under the names of each call's own time: with those of another time,
    an id that has changed hands would show its calls to whom it belonged before.

    Args:
        selection: as it was asked for; what it says of visibility is not believed.
        viewer: who asks.
        directory: the registry, with the rows of all times.
    """
    side = selection.side if selection.side in viewer.sides else viewer.sides[0]
    visible, as_of_us = viewer.visible, selection.as_of_us if viewer.sees_all else None
    seen = directory if as_of_us is None else directory.as_of(as_of_us)
    return selection._replace(side=side, visible=visible, as_of_us=as_of_us, directory=seen)
