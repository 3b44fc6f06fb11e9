"""Code says whose work this is: blocks and decorators that an application opens around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of
from otel_genai_cost.tenancy.binding import bound
from otel_genai_cost.tenancy.entries import label_of
from otel_genai_cost.tenancy.scoped import Scoped

__all__ = ["SHARES_MAX", "for_tenant", "split", "system", "tenant"]

SHARES_MAX: Final = 1_000
"""Tenants that one call may be split over."""


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
    return Scoped(lambda *_, **__: bound(Attribution(named, "edge", None, "user", labels)))


def for_tenant(tenant_id: str, *, reason: str) -> Scoped:
    """Work that the platform does for a tenant: a nightly digest, a backfill.

    Args:
        tenant_id: as for `tenant`.
        reason: becomes the feature.

    Raises:
        ConfigurationError: as `tenant`.
    """
    named, labels = _checked(tenant_id), {"feature": label_of(reason)}
    return Scoped(lambda *_, **__: bound(Attribution(named, "for_tenant", None, "system", labels)))


def system(reason: str) -> Scoped:
    """Work that the platform does for itself: it has a cost and no tenant.

    Args:
        reason: becomes the feature.
    """
    labels = {"feature": label_of(reason)}
    return Scoped(
        lambda *_, **__: bound(Attribution(None, "for_tenant", "system", "system", labels))
    )


def split(shares: Mapping[str, int]) -> Scoped:
    """Work for several tenants at once, such as one LLM call for a batch of their documents: what it costs is split by
    weight, and the parts add up to it exactly. A message that is sent in here carries no tenant.

    Args:
        shares: weights by tenant: whole numbers above 0, such as how many documents of each are in the batch.

    Raises:
        ConfigurationError: for another form of a tenant id or weight, and for none or more than 1,000 of them.
    """
    weighed = tuple((_checked(name, "split()"), _weight(weight)) for name, weight in shares.items())
    if not 0 < len(weighed) <= SHARES_MAX:
        raise ConfigurationError(
            "not a number of tenants to split a call over",
            value=len(weighed),
            where="split()",
            remedy=f"name 1 to {SHARES_MAX:,} tenants",
        )
    if len(weighed) == 1:
        return Scoped(lambda *_, **__: bound(Attribution(weighed[0][0], "for_tenant", None)))
    return Scoped(
        lambda *_, **__: bound(Attribution(None, "for_tenant", "missing", shares=weighed))
    )


def _weight(given: object) -> int:
    if type(given) is not int or given <= 0:
        raise ConfigurationError(
            "not a weight",
            value=given,
            where="split()",
            remedy="use a whole number above 0; for parts of a whole, their numerators",
        )
    return given


def _checked(tenant_id: str, where: str = "tenant() or for_tenant()") -> str:
    named = tenant_id_of(tenant_id)
    if named is None:
        raise ConfigurationError(
            "not a tenant id",
            value=tenant_id,
            where=where,
            remedy="use 1 to 128 of A-Za-z0-9._~:/@|-, which every service's baggage leaves unchanged",
        )
    return named
