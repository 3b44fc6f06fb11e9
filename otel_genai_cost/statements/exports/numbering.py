"""What a statement is called: a number that stands on it and in the name of its files. Pure."""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost.pricing.instants import local_clock, zone_of
from otel_genai_cost.statements.statement import Statement

__all__ = ["number_of", "whose_name"]

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9]+")
_SLUG_MAX: Final = 40
_DIGEST_SHOWN: Final = 10


def whose_name(one: Statement) -> str:
    """The tenant's id; for calls that are nobody's, and the platform's own, a word that no id can be."""
    return f"({one.whose})" if one.tenant is None else one.tenant


def number_of(one: Statement) -> str:
    """Day, tenant, revision and the beginning of the digest: safe as a name of a file, and no two have the same one."""
    day = local_clock(one.period_from_us, zone_of(one.zone)).date().isoformat()
    slug = _UNSAFE.sub("-", whose_name(one)).strip("-")[:_SLUG_MAX] or "tenant"
    return f"{day}-{slug}-r{one.revision}-{one.digest[:_DIGEST_SHOWN]}".lower()
