"""Code says whose work this is: blocks and decorators that an application opens around it."""

from __future__ import annotations

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_cost.tenancy.binding import bound
from otel_genai_cost.tenancy.entries import label_of
from otel_genai_cost.tenancy.scoped import Scoped

__all__ = ["for_tenant", "system", "tenant"]


def tenant(
    tenant_id: str,
    *,
    plan: str | None = None,
    feature: str | None = None,
    workflow: str | None = None,
    agent: str | None = None,
    action: str | None = None,
) -> Scoped:
    """Work in here is for a tenant: a `with` block, or a decorator of a function, coroutine or generator.

    Args:
        tenant_id: 1 to 128 of `A-Za-z0-9._~:/@|-`.
        plan: the tenant's plan.
        feature: the product feature that the work serves.
        workflow: the workflow that it belongs to.
        agent: the agent that does it.
        action: what the customer did once. As the other labels, inherited from an enclosing block of the same tenant.

    Raises:
        ConfigurationError: for another form of `tenant_id`.
    """
    given = {
        "plan": plan,
        "feature": feature,
        "workflow": workflow,
        "agent": agent,
        "action": action,
    }
    labels = {key: label_of(value) for key, value in given.items() if value}
    named = _checked(tenant_id)
    return Scoped(lambda: bound(Attribution(named, "edge", None, "user", labels)))


def for_tenant(tenant_id: str, *, reason: str) -> Scoped:
    """Work that the platform does for a tenant: a nightly digest, a backfill.

    Args:
        tenant_id: as for `tenant`.
        reason: becomes the feature.

    Raises:
        ConfigurationError: as `tenant`.
    """
    named, labels = _checked(tenant_id), {"feature": label_of(reason)}
    return Scoped(lambda: bound(Attribution(named, "for_tenant", None, "system", labels)))


def system(reason: str) -> Scoped:
    """Work that the platform does for itself: it has a cost and no tenant.

    Args:
        reason: becomes the feature.
    """
    labels = {"feature": label_of(reason)}
    return Scoped(lambda: bound(Attribution(None, "for_tenant", "system", "system", labels)))


def _checked(tenant_id: str) -> str:
    named = tenant_id_of(tenant_id)
    if named is None:
        raise ConfigurationError(
            "not a tenant id",
            value=tenant_id,
            where="tenant() or for_tenant()",
            remedy="use 1 to 128 of A-Za-z0-9._~:/@|-, which every service's baggage leaves unchanged",
        )
    return named
