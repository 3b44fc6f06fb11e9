"""Where a span came from, read off its resource: the same for a live span and its recording."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.read import Origin

__all__ = ["Source", "origin_of", "source_of"]

_TEXT_LIMIT: Final = 256


class Source(NamedTuple):
    """What all spans of a resource have in common.

    Attributes:
        origin: Where they came from.
        tenant: What the resource names as the tenant, of whatever type; None if it names none.
    """

    origin: Origin
    tenant: object


def source_of(resource: Mapping[str, Any]) -> Source:
    """What a resource's attributes say of its spans."""
    return Source(origin_of(resource), resource.get(names.TENANT_ID))


def origin_of(resource: Mapping[str, Any]) -> Origin:
    """The resource as far as money needs it.

    Args:
        resource: The attributes of the resource.

    Returns:
        Its names, each cut to 256 characters. Without `service.instance.id` the process is a digest of the resource.
    """

    def text(*keys: str) -> str | None:
        found = (resource.get(key) for key in keys)
        return next((str(value)[:_TEXT_LIMIT] for value in found if value), None)

    digest = blake2b(repr(sorted(resource.items())).encode(), digest_size=16).hexdigest()
    return Origin(
        text(names.SERVICE_NAME),
        text(names.DEPLOYMENT_ENVIRONMENT, names.DEPLOYMENT_ENVIRONMENT_OLD),
        text(names.HOST_NAME),
        text(names.K8S_POD_NAME),
        text(names.SERVICE_INSTANCE_ID) or digest,
        text(names.CELL) or "",
    )
