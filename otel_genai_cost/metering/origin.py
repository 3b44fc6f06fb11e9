"""Where a span came from, read off its resource: the same for a live span and its recording."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.read import Origin

__all__ = ["Source", "origin_of"]

_TEXT_LIMIT: Final = 256


class Source(NamedTuple):
    """A resource, and what was read from it."""

    resource: object
    origin: Origin
    tenant: object


def origin_of(resource: Mapping[str, Any]) -> Origin:
    """The resource as far as money needs it; without `service.instance.id` the process is a digest of it."""

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
    )
