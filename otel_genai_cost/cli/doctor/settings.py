"""Settings: what is set, where tenants come from, and whether they reach the next service."""

from __future__ import annotations

from collections.abc import Iterator

from otel_genai_cost.cli.doctor.check import Found, failed, fine, judged, warned
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.ledger_settings import read_ledger_settings
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.settings import environment
from otel_genai_cost.tenancy.edge import tenant_function

__all__ = ["problems", "propagators", "strict_mode", "tenant_source"]


def problems(_: Home) -> Iterator[Found]:
    """Settings of the environment that cannot be used."""
    loaded = (load_settings(), read_ledger_settings())
    found = [problem for one in loaded for problem in one.problems]
    if not found:
        count = sum(origin != "default" for one in loaded for origin in one.origins.values())
        yield fine("settings", f"{count} set")
    for problem in found:
        yield failed("settings", f"{problem.what}: {problem.value!r}", problem.remedy)


def tenant_source(_: Home) -> Iterator[Found]:
    """Where tenants come from."""
    tenant = load_settings().settings.tenant
    if tenant is None:
        yield fine("tenant source", "messages, and tenant() in code; nothing that requests say")
    elif tenant.kind == "callable":
        yield _callable(tenant.name)
    else:
        yield fine("tenant source", f"{tenant.kind}:{tenant.name}")


def _callable(name: str) -> Found:
    try:
        tenant_function(name)
    except GenAICostError as error:
        return failed("tenant source", f"callable:{name}", str(error))
    return fine("tenant source", f"callable:{name}")


def strict_mode(_: Home) -> Iterator[Found]:
    """Whether calls without a tenant raise."""
    if load_settings().settings.strict == "raise":
        remedy = (
            "that is for tests: unset OTEL_GENAI_COST_STRICT where calls matter more than tenants"
        )
        yield warned("strict mode", "on: a call without a tenant raises", remedy)
    else:
        yield fine("strict mode", "off")


def propagators(_: Home) -> Iterator[Found]:
    """Without W3C baggage a tenant does not reach the next service."""
    names = environment().get("OTEL_PROPAGATORS", "tracecontext,baggage")
    words = [word.strip() for word in names.split(",")]
    remedy = "add baggage to OTEL_PROPAGATORS, after tracecontext"
    yield judged("propagators", "baggage" in words, names, remedy)
