"""Whom calls are for, and who is believed about it.

`span`: what spans say, else their resource: of services that are trusted, or behind a gateway that has put the tenant
there itself. `trace`: the same, and calls that name none are for the one tenant that other spans of their trace name
(`trace_tenants`). `metadata`: what the request says beside its spans, for example a gateway that has asked for
credentials; what the spans themselves say is a claim, and taken off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, TypeAlias

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.answer import Metadata
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.otlp.attribution import attribution_on
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of
from otel_genai_cost.usage.read import Reading

__all__ = ["Attribute", "TenantFrom", "attribution_by", "tenant_from"]

Attribute: TypeAlias = Callable[[WireSpan], Callable[[Reading], Attribution]]
"""Gives what says whom a reading of a span was for."""

_METADATA: Final = "metadata:"


class TenantFrom(NamedTuple):
    """Who names a call's tenant.

    Attributes:
        kind: As above.
        attribute: Of spans that name one.
        metadata: The name of what a request says beside its spans, in lower case.
    """

    kind: Literal["span", "trace", "metadata"] = "span"
    attribute: str = names.TENANT_ID
    metadata: str = ""

    @property
    def claims(self) -> frozenset[str]:
        """Attributes that a sender may not set."""
        return frozenset({self.attribute, names.TENANT_ID} if self.kind == "metadata" else ())


def tenant_from(text: str, attribute: str) -> TenantFrom:
    """What `span`, `trace` or `metadata:NAME` means.

    Args:
        text: As it was written.
        attribute: Of spans that name a tenant.

    Raises:
        ConfigurationError: if it is none of these.
    """
    if text == "span":
        return TenantFrom("span", attribute)
    if text == "trace":
        return TenantFrom("trace", attribute)
    if text.startswith(_METADATA) and len(text) > len(_METADATA):
        return TenantFrom("metadata", attribute, text.removeprefix(_METADATA).lower())
    raise ConfigurationError(
        "nobody who could name a tenant", value=text, remedy="write span, trace or metadata:NAME"
    )


def attribution_by(source: TenantFrom, metadata: Metadata) -> Attribute:
    """Whom the calls of a request are for.

    Args:
        source: Who says so.
        metadata: What the request says beside its spans.
    """
    if source.kind != "metadata":
        return lambda span: attribution_on(span, source.attribute)
    named = {value for name, value in metadata if name == source.metadata}
    tenant = named.pop() if len(named) == 1 else None
    is_conflict = bool(named)

    def attribute(reading: Reading) -> Attribution:
        found = attribution_of(None, tenant, reading.labels)
        if found.tenant is not None:
            return found._replace(source="edge")
        return found._replace(absent="conflict") if is_conflict else found

    return lambda span: attribute
