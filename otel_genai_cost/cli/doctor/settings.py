"""Settings: what is set, where tenants come from, and whether they reach the next service."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine, warned
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.ledger_settings import read_ledger_settings
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.settings import environment
from otel_genai_cost.tenancy.edge import tenant_function

__all__ = ["problems", "propagators", "strict_mode", "tenant_source"]


_TRACE: Final = "tracecontext"
_BAGGAGE: Final = "baggage"
_OURS: Final = "genai_cost"

_WITHOUT: Final = "messages, and tenant() in code; nothing that requests say"
_BY_TOKEN: Final = "tokens that come with requests and messages, and tenant() in code"


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
        yield fine("tenant source", _BY_TOKEN if _OURS in _propagators() else _WITHOUT)
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
    """Without W3C baggage, read and written by one propagator, a tenant does not reach the next service."""
    words = _propagators()
    seen = ",".join(words)
    fault = _fault(words)
    if fault:
        yield failed("propagators", seen, fault)
    else:
        yield fine("propagators", seen)
    yield from _token_keys(_OURS in words)


def _propagators() -> list[str]:
    names = environment().get("OTEL_PROPAGATORS", f"{_TRACE},{_BAGGAGE}")
    return [word.strip() for word in names.split(",")]


def _fault(words: list[str]) -> str:
    """What is to be changed; empty for nothing."""
    known = {each.name for each in entry_points(group="opentelemetry_propagator")}
    missing = [word for word in words if word not in known and word.lower() != "none"]
    if missing:
        return (
            f"no such propagator, so that nothing starts: {', '.join(missing)}; mend or install it"
        )
    if _BAGGAGE in words and _OURS in words:
        return f"leave {_BAGGAGE} out of OTEL_PROPAGATORS: {_OURS} reads and writes the same header"
    if _BAGGAGE not in words and _OURS not in words:
        return f"add {_BAGGAGE} to OTEL_PROPAGATORS, after {_TRACE}; or {_OURS}, with keys (docs/reference/tokens.md)"
    if _BAGGAGE in words and _TRACE in words and words.index(_BAGGAGE) < words.index(_TRACE):
        return (
            f"write {_TRACE} before {_BAGGAGE}: a message without a tenant otherwise keeps that of the context around "
            "whoever reads it"
        )
    return ""


def _token_keys(is_ours: bool) -> Iterator[Found]:
    """Whether keys and the propagator that uses them are there together."""
    keys = load_settings().settings.token_keys
    if is_ours and not keys:
        remedy = "set OTEL_GENAI_COST_TOKEN_KEYS: without a key no tenant is believed, and none is signed"
        yield warned("token keys", "none", remedy)
    elif keys and not is_ours:
        remedy = f"put {_OURS} in the place of {_BAGGAGE} in OTEL_PROPAGATORS"
        yield failed("token keys", "nobody uses them", remedy)
    elif keys:
        minting = keys.minting
        ids = ", ".join(key.id for key in keys.known)
        signs = "none signs" if minting is None else f"{minting.id} signs"
        yield fine("token keys", f"{ids}; {signs}")
