"""`collector serve`: pricing spans of services that do not run our processor, on their way to the team's collector."""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from otel_genai_cost import hosts
from otel_genai_cost.cli.home import HomeOption
from otel_genai_cost.cli.output import note
from otel_genai_cost.cli.tls_files import (
    TlsCert,
    TlsClientCa,
    TlsKey,
    content_of,
    server_tls,
)
from otel_genai_cost.collector import tenants
from otel_genai_cost.metering.config import Settings, load_settings
from otel_genai_cost.metering.journals import journal_by
from otel_genai_cost.metering.prices import followed_prices, watched_prices
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.tenancy.edge import span_attribute_of

if TYPE_CHECKING:
    from otel_genai_cost.collector.hop import Hop
    from otel_genai_cost.journal.segment import Journal
    from otel_genai_cost.pricing.book import Book

__all__ = ["register"]

_GRACE_S: Final = 10.0
"""How long requests on their way have to end."""

_SWITCH_S: Final = 0.02
"""How long a request is worked on before another has its turn. Each time the processor's caches are filled anew: every
5 ms, as is usual, that is a sixth of the time of four requests at once."""

_NEW_OBJECTS: Final = 20_000
"""So many before Python looks for cycles among them. A call is some 30, without a cycle: looking among 700, as is
usual, is a fifth of the time of large requests."""

_ENDS: Final = (signal.SIGTERM, signal.SIGINT)


To = Annotated[
    str,
    typer.Option(help="Where spans go by OTLP: host:port for gRPC, else http:// or https://."),
]
Listen = Annotated[
    str | None,
    typer.Option(
        help="Where spans come by gRPC: host:port; default: 127.0.0.1:4317, unless they come by HTTP."
    ),
]
ListenHttp = Annotated[
    str | None, typer.Option(help="Where spans come by HTTP: host:port, /v1/traces.")
]
ListenStatus = Annotated[
    str | None, typer.Option(help="Where to ask for /healthz and /metrics by HTTP: host:port.")
]
TenantFromOption = Annotated[
    str,
    typer.Option(
        help="Whom calls are for: `span`: what their span says; `trace`: or another span of their trace; "
        "`metadata:NAME`: what the request says, and no span."
    ),
]
Trust = Annotated[
    bool, typer.Option(help="Keep the costs that spans bring along, if they name their book.")
]
Gzip = Annotated[bool, typer.Option(help="Compress what is sent.")]
RequestsMax = Annotated[
    int, typer.Option(min=1, help="Requests at once; more are told to come again.")
]
InFlightMax = Annotated[
    int, typer.Option(min=1, help="MiB of requests at once; more are told to come again.")
]
RequestMax = Annotated[
    int, typer.Option(min=1, help="The largest request, in MiB; a larger one is refused for good.")
]
ToTimeout = Annotated[
    float, typer.Option(min=0.1, help="How long the receiver may take for a request.")
]
ToCa = Annotated[Path | None, typer.Option(help="Send by TLS, to whom this one vouches for, PEM.")]
ToCert = Annotated[Path | None, typer.Option(help="Our certificate for the receiver, PEM.")]
ToKey = Annotated[Path | None, typer.Option(help="Its key, PEM.")]


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command(name="serve")(_serve)


def _serve(
    to: To,
    listen: Listen = None,
    listen_http: ListenHttp = None,
    listen_status: ListenStatus = None,
    tenant_from: TenantFromOption = "span",
    trust: Trust = False,
    gzip: Gzip = False,
    requests_max: RequestsMax = 16,
    in_flight_max_mib: InFlightMax = 256,
    request_max_mib: RequestMax = 64,
    to_timeout_s: ToTimeout = 30.0,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    to_ca: ToCa = None,
    to_cert: ToCert = None,
    to_key: ToKey = None,
    ledger: HomeOption = None,
) -> None:
    """Take OTLP spans by gRPC or HTTP, add what each call cost, and send them on, until SIGTERM or Ctrl-C. What was
    metered is journalled for the ledger."""
    from otel_genai_cost.collector.serving import Addresses, Limits, Serving
    from otel_genai_cost.transport.receiver import Receiver

    # Waited for, and kept from every thread to come: a handler runs only once the main thread is awake, and the system
    # may give a signal to any of the others.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    loaded = load_settings()
    for problem in loaded.problems:
        note(str(problem))
    settings = loaded.settings
    hosts.configure(settings.providers_of_hosts)
    if ledger is not None:
        settings = settings._replace(ledger=ledger, journal=None)
    prices = watched_prices(settings)
    journal = journal_by(settings, lambda: prices.value)
    digest = prices.value.digest
    folder = journal.open({"book": digest})
    source = tenants.tenant_from(tenant_from, span_attribute_of(settings.tenant))
    hop = _hop(settings, prices.value, journal, source, trust)
    watcher = followed_prices(settings, prices, journal, hop.use)
    if watcher is not None:
        watcher.start()
    receiver = Receiver(to, content_of(to_ca), content_of(to_cert), content_of(to_key), gzip)
    limits = Limits(requests_max, in_flight_max_mib << 20, request_max_mib << 20, to_timeout_s)
    serving = Serving(hop, journal, receiver, limits)
    addresses = Addresses(listen, listen_http, listen_status)
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_NEW_OBJECTS)
    for line in serving.start(addresses, server_tls(tls_cert, tls_key, tls_client_ca)):
        note(line)
    note(f"journal: {folder}; prices: {digest[:12]}")
    signal.sigwait(_ENDS)
    serving.stop(_GRACE_S)
    journal.close()
    note(", ".join(f"{count} {what}" for what, count in sorted(hop.counts.items())) or "no calls")


def _hop(
    settings: Settings, book: Book, journal: Journal, source: tenants.TenantFrom, trust: bool
) -> Hop:
    from otel_genai_cost.collector.hop import Hop

    return Hop(
        book,
        journal,
        decorator(settings.attributes),
        tenants=source,
        personal=settings.personal_labels,
        trusts=trust,
    )
