"""`genai-cost gate ext-proc`: calls that pass an Envoy are held, read and ended by a service beside it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost import hosts
from otel_genai_cost.cli.home import HomeOption
from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import Settings, load_settings
from otel_genai_cost.metering.journals import journal_by
from otel_genai_cost.metering.prices import followed_prices, watched_prices
from otel_genai_cost.transport.listening import at_port
from otel_genai_cost.transport.status_service import StatusService

if TYPE_CHECKING:
    from otel_genai_cost.gate.ext_proc import ExtProc

__all__ = ["TENANT_HEADER", "TenantHeaderOption", "register"]

TENANT_HEADER: Final = "x-tenant-id"
_GRACE_S: Final = 10.0
_ENDS: Final = (signal.SIGTERM, signal.SIGINT)

TenantHeaderOption = Annotated[
    str,
    typer.Option(help="The header by which a proxy names the tenant; no caller may set it."),
]


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="ext-proc")(_ext_proc)


def _ext_proc(
    listen: Annotated[
        str, typer.Option(help="Where Envoy asks by gRPC: host:port.")
    ] = "127.0.0.1:4181",
    tenant_header: TenantHeaderOption = TENANT_HEADER,
    provider: Annotated[
        str | None, typer.Option(help="Who answers, where neither the route nor the host says.")
    ] = None,
    body_max_mib: Annotated[
        int, typer.Option(help="A longer request is held as one of unknown size.", min=1, max=1024)
    ] = 32,
    listen_status: Annotated[
        str | None,
        typer.Option(help="Where to ask for /healthz and /metrics by HTTP: host:port."),
    ] = None,
    ledger: HomeOption = None,
) -> None:
    """Serve Envoy's external processing until SIGTERM or Ctrl-C: have each call held by the gate that
    OTEL_GENAI_COST_GATE names, journal what it used, and end a stream that is not paid for any more."""
    from otel_genai_cost.admission import Gate
    from otel_genai_cost.gate.ext_proc import ExtProc
    from otel_genai_cost.gate.figures import gateway_figures
    from otel_genai_cost.gate.gateway import Gateway, GatewaySettings
    from otel_genai_cost.gate.gateway_meter import GatewayMeter
    from otel_genai_cost.gate_connection import GateConnections

    settings = _settings(ledger)
    hosts.configure(settings.providers_of_hosts)
    timeout_s = settings.gate_timeout_ms / 1000
    connections = GateConnections(settings.gate, settings.gate_token, timeout_s)
    gate = Gate(connections, settings.gate_down, settings.gate_wait_s, lambda _: None)
    prices = watched_prices(settings)
    journal = journal_by(settings, lambda: prices.value)
    meter = GatewayMeter(prices.value, journal)
    watcher = followed_prices(settings, prices, journal, meter.use)
    if watcher is not None:
        watcher.start()
    known = GatewaySettings(tenant_header.lower(), provider, body_max_mib << 20)
    gateway = Gateway(gate, meter, known)
    note(f"journal: {journal.open()}; prices: {prices.value.digest[:12]}; gate: {settings.gate}")
    status = StatusService(lambda: gateway_figures(gateway, journal))
    if listen_status is not None:
        at = at_port(listen_status, status.start(listen_status))
        note(f"status: http://{at}/healthz and http://{at}/metrics")
    try:
        asyncio.run(_serve(lambda: ExtProc(gateway), listen, status))
    finally:
        status.stop()
        gate.close()
        journal.close()
    counts = sorted((gateway.counts + gateway.events).items())
    counted = ", ".join(f"{count} {what}" for what, count in counts)
    note(counted or "no calls")


def _settings(ledger: HomeOption) -> Settings:
    settings = load_settings().settings
    if not settings.gate:
        raise ConfigurationError(
            "there is no gate to ask", remedy="set OTEL_GENAI_COST_GATE to http://HOST:PORT"
        )
    return settings if ledger is None else settings._replace(ledger=ledger, journal=None)


async def _serve(make: Callable[[], ExtProc], address: str, status: StatusService) -> None:
    """Serve until a signal comes, and let what is on its way end."""
    service, ending = make(), asyncio.Event()
    for one in _ENDS:
        asyncio.get_running_loop().add_signal_handler(one, ending.set)
    port = await service.start(address)
    note(f"answering Envoy at {at_port(address, port)}")
    await ending.wait()
    status.is_ending = True
    await service.stop(_GRACE_S)
