"""`collector doctor`: listens for a while, and says what passes and what is missing in it."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost import hosts
from otel_genai_cost.cli.collector.findings import Finding, findings
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.collector import tenants
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.metering.prices import watched_prices
from otel_genai_cost.tenancy.edge import span_attribute_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_genai_cost.collector.exchange import Exchange

__all__ = ["register"]

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)
_DURATION: Final = re.compile(r"([0-9]{1,6})(s|m|h)")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3600}
_GRACE_S: Final = 5.0
_WORDS: Final = {"ok": "ok", "warning": "warning", "failure": "WRONG"}


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="doctor")(_doctor)


def _doctor(
    tap: Annotated[str, typer.Option(help="How long to listen: 60s, 5m or 1h.")] = "60s",
    listen: Annotated[
        str, typer.Option(help="Where spans come by gRPC: host:port.")
    ] = "127.0.0.1:4317",
    listen_http: Annotated[
        str | None, typer.Option(help="Where spans come by HTTP, beside it: host:port, /v1/traces.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Where spans go on to, as they came; without it they end here."),
    ] = None,
    tenant_from: Annotated[
        str, typer.Option(help="Whom calls are for, as with `collector serve`.")
    ] = "span",
    as_json: JsonOption = False,
) -> None:
    """Listen for OTLP spans, and say what passes: how many are LLM calls, of which instrumentations, who names their
    tenants, what has no price, and what to do. Nothing is journalled or changed; exit code 1 if something is wrong."""
    from otel_genai_cost.collector.exchange import Exchange
    from otel_genai_cost.collector.serving import Limits, sender_to
    from otel_genai_cost.collector.tap import Swallow, Tap
    from otel_genai_cost.transport.receiver import Receiver
    from otel_genai_cost.transport.room import Room

    duration_s = _seconds(tap)
    settings = load_settings().settings
    hosts.configure(settings.providers_of_hosts)
    source = tenants.tenant_from(tenant_from, span_attribute_of(settings.tenant))
    limits = Limits()
    tapped = Tap(watched_prices(settings).value, source)
    sender = Swallow() if to is None else sender_to(Receiver(to), limits)
    room = Room(limits.requests_max, limits.bytes_max)
    took_s = _listen(Exchange(tapped, sender, room), listen, listen_http, duration_s)
    _show([*findings(tapped.tally, took_s)], as_json)


def _listen(exchange: Exchange, grpc: str, http: str | None, duration_s: int) -> float:
    """Serve for so long, or until it is ended; how long that was."""
    from otel_genai_cost.collector.grpc_service import GrpcService
    from otel_genai_cost.collector.http_service import HttpService
    from otel_genai_cost.transport.listening import at_port

    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    by_grpc, by_http = GrpcService(exchange, shared=False), HttpService(exchange, shared=False)
    note(f"reading spans that come to {at_port(grpc, by_grpc.start(grpc))}, for {duration_s} s")
    if http is not None:
        note(f"and to http://{at_port(http, by_http.start(http))}/v1/traces")
    began = time.monotonic()
    signal.sigtimedwait(_ENDS, duration_s)
    took_s = time.monotonic() - began
    by_grpc.stop(_GRACE_S)
    if http is not None:
        by_http.stop(_GRACE_S)
    exchange.close()
    return took_s


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or not int(match[1]):
        raise ConfigurationError(
            "--tap is no length of time", value=text, remedy="write 60s, 5m or 1h"
        )
    return int(match[1]) * _UNITS_S[match[2]]


def _show(everything: list[Finding], as_json: bool) -> None:
    if as_json:
        print_json(_records(everything))
    else:
        rows = [(_WORDS[one.state], one.name, one.seen, one.remedy) for one, _ in everything]
        columns = ("", "what", "found", "remedy")
        print_table(columns, rows, right=frozenset(), prose=frozenset({"found", "remedy"}))
    if any(one.state == "failure" for one, _ in everything):
        raise typer.Exit(1)


def _records(everything: Iterable[Finding]) -> Iterable[dict[str, object]]:
    for one, figures in everything:
        yield {
            "name": one.name,
            "ok": one.state != "failure",
            "state": one.state,
            "found": one.seen,
            "remedy": one.remedy,
            "figures": figures,
        }
