"""Who somebody is to us, by what a provider of identity says of them: declared rows, of which the first that fits
holds, and nobody is anybody without one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pages.viewer import Role, Viewer
from otel_genai_cost.reports.selection import NOBODY

__all__ = ["TENANT", "Row", "claim_of", "viewer_by"]

TENANT: Final = re.compile(r"[A-Za-z0-9._~:/@|-]{1,128}")
"""What tenants' ids are made of."""

_NAME_MAX: Final = 200


class Row(NamedTuple):
    """What makes somebody what.

    Attributes:
        claim: of the provider that is looked at: its name, or a path of names with dots between them.
        has: what it has to be, or to have as one of several; None for anything.
        role: what they are then.
        tenants: whose figures they may see; None for everybody's, or for those of `tenants_claim`.
        tenants_claim: the claim that names the tenants; who has none there is not meant by the row.
    """

    claim: str
    has: str | None
    role: Role
    tenants: tuple[str, ...] | None = None
    tenants_claim: str | None = None


def viewer_by(rows: Iterable[Row], claims: Mapping[str, Any], name_claim: str) -> Viewer | None:
    """Who somebody is; None if no row is about them.

    Args:
        rows: in order.
        claims: what the provider says.
        name_claim: the claim that has their name.
    """
    for row in rows:
        if not _is_meant(row, claims):
            continue
        tenants = row.tenants
        if row.tenants_claim is not None:
            tenants = _tenants(claim_of(claims, row.tenants_claim))
            if not tenants:
                continue
        return Viewer(row.role, tenants, _name(claims, name_claim))
    return None


def claim_of(claims: Mapping[str, Any], name: str) -> object:
    """A claim: of that very name, which may have dots in it, or at that path; None if there is none.

    Args:
        claims: what the provider says.
        name: of the claim, or a path.
    """
    if name in claims:
        return cast("object", claims[name])
    found: object = claims
    for step in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = cast("Mapping[str, object]", found).get(step)
    return found


def _is_meant(row: Row, claims: Mapping[str, Any]) -> bool:
    if row.claim == "email" and claims.get("email_verified") is not True:
        return False  # who may write any address into a profile would be whoever they like
    values = _texts(claim_of(claims, row.claim))
    return bool(values) if row.has is None else row.has in values


def _texts(claim: object) -> Sequence[str]:
    if isinstance(claim, str):
        return [claim] if claim else []
    if isinstance(claim, (list, tuple)):
        return [one for one in cast("Sequence[object]", claim) if isinstance(one, str) and one]
    return []


def _tenants(claim: object) -> tuple[str, ...]:
    """The ids of a claim. One that cannot be an id makes all of them doubtful."""
    texts = _texts(claim)
    is_fit = all(TENANT.fullmatch(one) and one != NOBODY for one in texts)
    return tuple(dict.fromkeys(texts)) if is_fit else ()


def _name(claims: Mapping[str, Any], name_claim: str) -> str:
    found = claim_of(claims, name_claim) or claims.get("sub")
    text = found if isinstance(found, str) else ""
    return "".join(sign for sign in text if sign.isprintable())[:_NAME_MAX]
