"""What an application would get under `opentelemetry-instrument`: a provider, exporters, clients and edges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine, judged, warned
from otel_genai_cost.cli.doctor.probe import probed
from otel_genai_cost.cli.home import Home
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.switch import is_off, sdk_is_disabled

__all__ = ["clients", "edge", "exporters", "tracer_provider"]

_NO_PROVIDER: Final = (
    "pip install opentelemetry-distro, which makes one; or set one in code, then this is no matter"
)
_NO_EXPORTER: Final = (
    "costs are journalled all the same; for a trace UI: pip install opentelemetry-exporter-otlp, and name it in "
    "OTEL_TRACES_EXPORTER"
)
_NOT_INSTALLED: Final = (
    "an exporter that is asked for is not installed: pip install opentelemetry-exporter-otlp, or set "
    "OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER and OTEL_LOGS_EXPORTER to none"
)


def tracer_provider(_: Home) -> Iterator[Found]:
    """Whether there is a provider of the SDK with our processor on it."""
    if is_off():
        name = "OTEL_SDK_DISABLED" if sdk_is_disabled() else "OTEL_GENAI_COST_ENABLED"
        yield warned("metering", f"switched off by {name}", f"unset {name}")
        return
    found = probed()
    if found.problem:
        remedy = _NOT_INSTALLED if "exporter" in found.problem else "mend it, or ask its authors"
        yield failed("opentelemetry-instrument", f"cannot start: {found.problem}", remedy)
    elif found.provider is None:
        yield failed("tracer provider", "none of the OpenTelemetry SDK", _NO_PROVIDER)
    else:
        remedy = "call otel_genai_cost.attach(provider) with the SDK's own provider"
        yield judged("tracer provider", found.is_metered, found.provider, remedy)


def exporters(_: Home) -> Iterator[Found]:
    """Who else gets the spans."""
    if is_off() or probed().provider is None:
        return
    names = ", ".join(probed().exporters)
    yield fine("exporter", names) if names else warned("exporter", "none", _NO_EXPORTER)


def clients(_: Home) -> Iterator[Found]:
    """The libraries whose calls we trace ourselves."""
    if is_off() or probed().problem:
        return
    names = ", ".join(probed().clients)
    remedy = "install what your application calls; spans of other instrumentations are metered too"
    yield fine("clients", names) if names else warned("clients", "none installed", remedy)


def edge(_: Home) -> Iterator[Found]:
    """Whether the tenant source is read anywhere without code."""
    tenant = load_settings().settings.tenant
    if is_off() or probed().problem or tenant is None or tenant.kind == "span":
        return
    names = ", ".join(probed().edges)
    remedy = (
        "pip install 'otel-genai-cost[asgi]', or put TenantEdge around your application in code"
    )
    yield fine("edge", names) if names else warned("edge", "none in place without code", remedy)
