"""Where a call begins and its tenant is asked for, for tests: strict mode raises if it would be nobody's before it is
sent; the audit of a test suite notes whose it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from opentelemetry import trace

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import UnattributedCallError, guarded
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.refusals import not_counted

__all__ = ["Observer", "configure", "demand_tenant", "is_asked", "observe"]

Observer: TypeAlias = Callable[[str, Attribution], object]
"""What is called with a call that begins, and whom it is for."""

_UNKNOWN: Final = Attribution("unknown")
"""Of a call whose context could not be read: no reason to stop it."""


class _Settings:
    is_strict = False
    is_asked = False
    observer: Observer | None = None
    span_tenant = names.TENANT_ID


def configure(*, strict: bool, span_tenant: str = names.TENANT_ID) -> None:
    """Set up whether calls without a tenant raise. Called once, at activation.

    Args:
        strict: Whether they do.
        span_tenant: The span attribute that names a tenant.
    """
    _Settings.is_strict, _Settings.span_tenant = strict, span_tenant
    _Settings.is_asked = strict or _Settings.observer is not None


def observe(observer: Observer | None) -> None:
    """Show every call that begins to somebody; None to end that."""
    shown = None if observer is None else guarded("tenancy.observe", default=None)(observer)
    _Settings.observer = shown
    _Settings.is_asked = _Settings.is_strict or shown is not None


def is_asked() -> bool:
    """Whether anybody wants to know whom a call is for that begins."""
    return _Settings.is_asked


def demand_tenant(call: str) -> None:
    """Show a call that begins now to the observer. In strict mode it has to have a tenant, or to be the platform's own:
    by the context, the span that is current, or the resource.

    Args:
        call: What is called.

    Raises:
        UnattributedCallError: if it is nobody's, in strict mode.
    """
    found = _current()
    if _Settings.observer is not None:
        _Settings.observer(call, found)
    if not _Settings.is_strict:
        return
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
