"""Strict mode, for tests: a call that would be nobody's raises before it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import trace

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import UnattributedCallError, guarded
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.refusals import not_counted

__all__ = ["configure", "demand_tenant", "is_strict"]

_UNKNOWN: Final = Attribution("unknown")
"""Of a call whose context could not be read: no reason to stop it."""


class _Settings:
    is_strict = False
    span_tenant = names.TENANT_ID


def configure(*, strict: bool, span_tenant: str = names.TENANT_ID) -> None:
    """Set up whether calls without a tenant raise. Called once, at activation.

    Args:
        strict: Whether they do.
        span_tenant: The span attribute that names a tenant.
    """
    _Settings.is_strict, _Settings.span_tenant = strict, span_tenant


def is_strict() -> bool:
    """Whether a call without a tenant raises."""
    return _Settings.is_strict


def demand_tenant(call: str) -> None:
    """Nothing, if a call that begins now has a tenant, or is the platform's own: by the context, the span that is
    current, or the resource.

    Args:
        call: What is called, for the error.

    Raises:
        UnattributedCallError: if it is nobody's.
    """
    found = _current()
    if found.tenant is None and not found.shares and found.initiator != "system":
        raise UnattributedCallError(call, found.absent or "missing")


@guarded("tenancy.strict", default=_UNKNOWN)
def _current() -> Attribution:
    span: Any = trace.get_current_span()
    provider: Any = trace.get_tracer_provider()
    resource: Any = getattr(span, "resource", None) or getattr(provider, "resource", None)
    return attribution_of(
        capture(None),
        _attributes(span).get(_Settings.span_tenant),
        None,
        _attributes(resource).get(names.TENANT_ID),
        not_counted,
    )


def _attributes(holder: Any) -> Mapping[str, Any]:
    return getattr(holder, "attributes", None) or {}
