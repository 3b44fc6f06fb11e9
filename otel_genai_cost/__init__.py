"""What each GenAI call cost, and who it was for, on the OpenTelemetry spans you already have.

Nothing here has to be called: `opentelemetry-instrument` activates everything. The names below are for code that
wants to say something itself: whose work this is (`tenant`, `for_tenant`, `system`, `split`, `detached`), what carries
that through a queue of its own (`inject`, `job`, `tenant_job`, `each`, `to_cloudevent`, `from_cloudevent`), which
provider to meter (`install`, `attach`), what to answer where a gate refuses a call (`graceful`, `on_block`,
`block_of`, `Block`), or when calls have to be durable (`force_flush`, and around what freezes once it has answered
`flushed`, `FlushASGI`, `FlushWSGI`); and what is raised where a tenant is demanded (`UnattributedCallError`,
`UnattributedJobError`), or where a client has no error of its own for a refused call (`BlockedCallError`). They load on
first use, so that importing this package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_genai_cost.blocks import Block, block_of, graceful, on_block
    from otel_genai_cost.errors import (
        BlockedCallError,
        UnattributedCallError,
        UnattributedJobError,
    )
    from otel_genai_cost.metering.activation import attach, install
    from otel_genai_cost.metering.delivery import force_flush
    from otel_genai_cost.metering.functions import FlushASGI, FlushWSGI, flushed
    from otel_genai_cost.tenancy.blocks import for_tenant, split, system, tenant
    from otel_genai_cost.tenancy.cloudevents import from_cloudevent, to_cloudevent
    from otel_genai_cost.tenancy.detached import detached
    from otel_genai_cost.tenancy.envelope import each, inject, job, tenant_job

__all__ = [
    "Block",
    "BlockedCallError",
    "FlushASGI",
    "FlushWSGI",
    "UnattributedCallError",
    "UnattributedJobError",
    "attach",
    "block_of",
    "detached",
    "each",
    "flushed",
    "for_tenant",
    "force_flush",
    "from_cloudevent",
    "graceful",
    "inject",
    "install",
    "job",
    "on_block",
    "split",
    "system",
    "tenant",
    "tenant_job",
    "to_cloudevent",
]

_HOMES = {
    "Block": "otel_genai_cost.blocks",
    "BlockedCallError": "otel_genai_cost.errors",
    "UnattributedCallError": "otel_genai_cost.errors",
    "UnattributedJobError": "otel_genai_cost.errors",
    "attach": "otel_genai_cost.metering.activation",
    "install": "otel_genai_cost.metering.activation",
    "FlushASGI": "otel_genai_cost.metering.functions",
    "FlushWSGI": "otel_genai_cost.metering.functions",
    "flushed": "otel_genai_cost.metering.functions",
    "force_flush": "otel_genai_cost.metering.delivery",
    "block_of": "otel_genai_cost.blocks",
    "detached": "otel_genai_cost.tenancy.detached",
    "each": "otel_genai_cost.tenancy.envelope",
    "graceful": "otel_genai_cost.blocks",
    "on_block": "otel_genai_cost.blocks",
    "for_tenant": "otel_genai_cost.tenancy.blocks",
    "from_cloudevent": "otel_genai_cost.tenancy.cloudevents",
    "inject": "otel_genai_cost.tenancy.envelope",
    "job": "otel_genai_cost.tenancy.envelope",
    "split": "otel_genai_cost.tenancy.blocks",
    "system": "otel_genai_cost.tenancy.blocks",
    "tenant": "otel_genai_cost.tenancy.blocks",
    "tenant_job": "otel_genai_cost.tenancy.envelope",
    "to_cloudevent": "otel_genai_cost.tenancy.cloudevents",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
