"""For whom a call was made, how we know, and how far that is to be trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from otel_genai_cost.vocabulary import ATTRIBUTION_SOURCES, Absence, AttributionSource, Initiator

__all__ = [
    "LABELS_MAX",
    "UNATTRIBUTED",
    "Attribution",
    "tenant_id_of",
    "trust_rank",
]

_TENANT_ID = re.compile(r"[A-Za-z0-9._~:/@|-]{1,128}")
"""What every SDK's baggage encoding leaves unchanged; `+`, `%` and spaces do not survive."""

LABELS_MAX: Final = 16

_NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Attribution(NamedTuple):
    """Whom a call was for.

    Exactly one of `tenant` and `absent` is set: `absent` says why there is no tenant. `source` is None where nothing
    spoke of a tenant. `shares` splits one call over several tenants by integer weights.
    """

    tenant: str | None = None
    source: AttributionSource | None = None
    absent: Absence | None = "missing"
    initiator: Initiator = "user"
    labels: Mapping[str, str] = _NO_LABELS
    shares: tuple[tuple[str, int], ...] = ()


UNATTRIBUTED: Final = Attribution()


def tenant_id_of(value: object) -> str | None:
    """`value` if it may be used as a tenant id: 1 to 128 of `A-Za-z0-9._~:/@|-`. Of an enum's member its text, as plain
    text: what `str` makes of a member is another name."""
    found = _TENANT_ID.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found[0]


def trust_rank(source: AttributionSource | None) -> int:
    """0 for the most trusted source; a missing or unknown one ranks last."""
    known = ATTRIBUTION_SOURCES
    return known.index(source) if source in known else len(known)
