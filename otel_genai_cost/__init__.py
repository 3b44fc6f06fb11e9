"""What each GenAI call cost, and who it was for, on the OpenTelemetry spans you already have.

Nothing here has to be called: `opentelemetry-instrument` activates everything. The names below are for code that
wants to say something itself: whose work this is (`tenant`, `for_tenant`, `system`, `detached`), or which provider to
meter (`install`, `attach`); and what a call without a tenant raises in strict mode (`UnattributedCallError`). They load
on first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_genai_cost.errors import UnattributedCallError
    from otel_genai_cost.metering.activation import attach, install
    from otel_genai_cost.tenancy.blocks import for_tenant, system, tenant
    from otel_genai_cost.tenancy.detached import detached

__all__ = [
    "UnattributedCallError",
    "attach",
    "detached",
    "for_tenant",
    "install",
    "system",
    "tenant",
]

_HOMES = {
    "UnattributedCallError": "otel_genai_cost.errors",
    "attach": "otel_genai_cost.metering.activation",
    "install": "otel_genai_cost.metering.activation",
    "detached": "otel_genai_cost.tenancy.detached",
    "for_tenant": "otel_genai_cost.tenancy.blocks",
    "system": "otel_genai_cost.tenancy.blocks",
    "tenant": "otel_genai_cost.tenancy.blocks",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
