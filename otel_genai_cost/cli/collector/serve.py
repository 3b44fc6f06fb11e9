"""`collector serve`: pricing spans of services that do not run our processor, on their way to the team's collector."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost.cli.home import HomeOption
from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.metering.journals import journal_by
from otel_genai_cost.metering.prices import followed_prices, watched_prices
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.tenancy.edge import span_attribute_of

if TYPE_CHECKING:
    from otel_genai_cost.collector.grpc_service import ServerTls

__all__ = ["register"]

_GRACE_S: Final = 10.0
"""How long requests on their way have to end."""


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="serve")(_serve)


def _serve(
    to: Annotated[str, typer.Option(help="Where spans go: host:port of an OTLP gRPC receiver.")],
    listen: Annotated[str, typer.Option(help="Where spans come: host:port.")] = "127.0.0.1:4317",
    trust: Annotated[
        bool, typer.Option(help="Keep the costs that spans bring along, if they name their book.")
    ] = False,
    gzip: Annotated[bool, typer.Option(help="Compress what is sent.")] = False,
    requests_max: Annotated[int, typer.Option(min=1, help="Requests at once; more wait.")] = 16,
    tls_cert: Annotated[Path | None, typer.Option(help="Our certificate for senders, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Senders must have a certificate of this one, PEM.")
    ] = None,
    to_ca: Annotated[
        Path | None, typer.Option(help="Send by TLS, to whom this one vouches for, PEM.")
    ] = None,
    to_cert: Annotated[
        Path | None, typer.Option(help="Our certificate for the receiver, PEM.")
    ] = None,
    to_key: Annotated[Path | None, typer.Option(help="Its key, PEM.")] = None,
    ledger: HomeOption = None,
) -> None:
    """Take OTLP spans by gRPC, add what each call cost, and send them on, until SIGTERM or Ctrl-C. What was metered is
    journalled for the ledger."""
    from otel_genai_cost.collector.grpc_service import GrpcHop, Receiver
    from otel_genai_cost.collector.hop import Hop

    settings = load_settings().settings
    if ledger is not None:
        settings = settings._replace(ledger=ledger, journal=None)
    prices = watched_prices(settings)
    journal = journal_by(settings, lambda: prices.value)
    hop = Hop(
        prices.value,
        journal,
        decorator(settings.attributes),
        span_tenant=span_attribute_of(settings.tenant),
        personal=settings.personal_labels,
        trusts=trust,
    )
    watcher = followed_prices(settings, prices, journal, hop.use)
    if watcher is not None:
        watcher.start()
    receiver = Receiver(to, _read(to_ca), _read(to_cert), _read(to_key), gzip)
    service = GrpcHop(hop, receiver, requests_max=requests_max)
    stop = _stop()
    port = service.start(listen, _tls(tls_cert, tls_key, tls_client_ca))
    folder = journal.open()
    note(f"pricing spans that come to {listen.rpartition(':')[0]}:{port}, and sending them to {to}")
    note(f"journal: {folder}; prices: {prices.value.digest[:12]}")
    stop.wait()
    service.stop(_GRACE_S)
    journal.close()
    note(", ".join(f"{count} {what}" for what, count in sorted(hop.counts.items())) or "no calls")


def _stop() -> threading.Event:
    """Set by SIGTERM and Ctrl-C."""
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return stop


def _read(path: Path | None) -> bytes | None:
    return None if path is None else path.read_bytes()


def _tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    from otel_genai_cost.collector.grpc_service import ServerTls

    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise ConfigurationError(
            "TLS needs a certificate and its key", remedy="pass both --tls-cert and --tls-key"
        )
    return ServerTls(cert.read_bytes(), key.read_bytes(), _read(client_ca))
