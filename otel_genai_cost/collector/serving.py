"""A hop as a process serves it: by gRPC, by HTTP or by both, with one room for all requests and one receiver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

from otel_genai_cost.collector.exchange import Exchange, Sender
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.collector.hop_figures import hop_figures
from otel_genai_cost.collector.http_service import HttpService
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.transport.listening import ServerTls, at_port
from otel_genai_cost.transport.receiver import Receiver
from otel_genai_cost.transport.room import Room
from otel_genai_cost.transport.status_service import StatusService
from otel_genai_cost.transport.tls import client_context, server_context

__all__ = ["Addresses", "Limits", "Serving", "sender_to"]

_GRPC_ADDRESS: Final = "127.0.0.1:4317"


class Limits(NamedTuple):
    """How much there may be at once, and how large and slow it may be.

    Attributes:
        requests_max: Requests on their way.
        bytes_max: Bytes that they have together, unpacked.
        request_max_bytes: Bytes of the largest request.
        timeout_s: How long the receiver may take for one.
    """

    requests_max: int = 16
    bytes_max: int = 1 << 28
    request_max_bytes: int = 1 << 26
    timeout_s: float = 30.0


class Addresses(NamedTuple):
    """Where to listen: `host:port` each, None for not at all. Without either protocol's, gRPC has its usual one."""

    grpc: str | None = None
    http: str | None = None
    status: str | None = None


class Serving:
    """All that a process serves.

    Args:
        hop: Prices the requests.
        journal: Which it writes.
        receiver: Where they go.
        limits: How much there may be.

    Raises:
        ConfigurationError: if the receiver's address or a certificate is none, or a limit is not within another.
    """

    def __init__(self, hop: Hop, journal: Journal, receiver: Receiver, limits: Limits) -> None:
        if limits.request_max_bytes > limits.bytes_max:
            raise ConfigurationError(
                "the largest request would never find room",
                value=f"{limits.request_max_bytes >> 20} MiB of {limits.bytes_max >> 20}",
                remedy="raise --in-flight-max-mib or lower --request-max-mib",
            )
        self._limits, self._receiver = limits, receiver
        self._shared = hop.traces is None
        room = Room(limits.requests_max, limits.bytes_max)
        sender = sender_to(receiver, limits)
        self._exchange = Exchange(hop, sender, room, timeout_s=limits.timeout_s)
        self._status = StatusService(lambda: hop_figures(self._exchange, hop, journal))
        self._stops: list[Callable[[float], object]] = []

    def start(self, addresses: Addresses, tls: ServerTls | None = None) -> Iterator[str]:
        """Begin to serve, step by step.

        Args:
            addresses: Where.
            tls: How callers are served; None for no TLS. The status has none.

        Yields:
            What was begun, in a line each.

        Raises:
            ConfigurationError: if an address cannot be had, or a certificate is none.
        """
        if (
            tls is not None
        ):  # says what is wrong with it, where gRPC would only log that something is
            server_context(tls)
        grpc_address, http_address, status_address = addresses
        if grpc_address is None and http_address is None:
            grpc_address = _GRPC_ADDRESS
        size, shared = self._limits.request_max_bytes, self._shared
        to = self._receiver.endpoint
        if grpc_address is not None:
            from otel_genai_cost.collector.grpc_service import GrpcService

            grpc = GrpcService(self._exchange, request_max_bytes=size, shared=shared)
            self._stops.append(grpc.stop)
            at = at_port(grpc_address, grpc.start(grpc_address, tls))
            yield f"pricing spans that come to {at}, and sending them to {to}"
        if http_address is not None:
            http = HttpService(self._exchange, request_max_bytes=size, shared=shared)
            self._stops.append(http.stop)
            at = at_port(http_address, http.start(http_address, tls))
            yield f"pricing spans that come to http://{at}/v1/traces, and sending them to {to}"
        if status_address is not None:
            at = at_port(status_address, self._status.start(status_address))
            yield f"status: http://{at}/healthz and http://{at}/metrics"

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed.

        The status goes on until then, and says so.
        """
        self._status.is_ending = True
        with ThreadPoolExecutor(max(1, len(self._stops))) as pool:
            for stop in self._stops:
                pool.submit(stop, grace_s)
        self._exchange.close()
        self._status.stop()


def sender_to(receiver: Receiver, limits: Limits) -> Sender:
    """What sends requests to a receiver, by its protocol.

    Args:
        receiver: Where they go.
        limits: How large they may be.

    Raises:
        ConfigurationError: if the receiver's address or a certificate is none.
    """
    if receiver.ca is not None:
        client_context(receiver)
    if receiver.is_http:
        from otel_genai_cost.collector.http_sender import HttpSender

        return HttpSender(receiver)
    from otel_genai_cost.collector.grpc_sender import GrpcSender

    return GrpcSender(receiver, limits.request_max_bytes)
