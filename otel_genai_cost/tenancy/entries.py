"""What baggage says of a tenant, entry by entry."""

from __future__ import annotations

from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["RESERVED", "bare", "entries_of", "label_of"]

RESERVED: Final = ("tenant.", "genai_cost.")
"""How our entries' names begin."""

_LABEL_LIMIT: Final = 256


def entries_of(attribution: Attribution) -> dict[str, str]:
    """The baggage of an attribution, the tenant first: a full header loses what comes last."""
    entries = {names.TENANT_ID: attribution.tenant} if attribution.tenant else {}
    for label, value in attribution.labels.items():
        if value and (name := names.LABELS.get(label)) is not None:
            entries[name] = value
    if attribution.initiator != "user":
        entries[names.INITIATOR] = attribution.initiator
    return entries


def label_of(value: str) -> str:
    """Printable, without what ends a baggage entry, at most 256 characters."""
    return "".join(c for c in value[:_LABEL_LIMIT] if c.isprintable() and c not in ";,")


def bare(value: object) -> object:
    """A baggage value without its properties, which no SDK here parses."""
    return value.split(";", 1)[0].strip() if isinstance(value, str) else value
