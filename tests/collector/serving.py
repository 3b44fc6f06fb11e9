"""A hop that serves by both protocols, on free ports, inside a test's own process."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.collector.serving import Addresses, Limits, Serving
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.receiver import Receiver

BOOK: Final = load_book()
NARROW: Final = Limits(requests_max=2, bytes_max=1 << 20, request_max_bytes=1 << 19)
"""So that a test can fill it."""


class Served(NamedTuple):
    """A hop, and where it is: `host:port` for gRPC, addresses for the others."""

    hop: Hop
    grpc: str
    http: str
    status: str


@contextmanager
def serving(
    journal: Journal,
    receiver: Receiver,
    limits: Limits | None = None,
    *,
    tls: ServerTls | None = None,
    address: str = "127.0.0.1:0",
    **options: Any,
) -> Generator[Served]:
    hop = Hop(BOOK, journal, decorator(()), **options)
    served = Serving(hop, journal, receiver, limits or Limits())
    try:
        addresses = Addresses(address, address, "127.0.0.1:0")
        lines = list(served.start(addresses, tls))
        grpc, http = (line.split("come to ")[1].split(",")[0] for line in lines[:2])
        if tls is not None:
            http = http.replace("http://", "https://")
        status = lines[2].split()[1].removesuffix("/healthz")
        yield Served(hop, grpc, http, status)
    finally:
        served.stop(1)
