"""A receiver as a process serves it: by HTTP on TCP or on a Unix socket, and by gRPC where that is installed."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.forwarding.wire import PATH
from otel_genai_cost.intake.http_service import HttpService
from otel_genai_cost.intake.receiver import Receiver
from otel_genai_cost.intake.sender_tokens import SenderTokens
from otel_genai_cost.intake.status import Status
from otel_genai_cost.transport.listening import ServerTls, at_port, host_and_port, unix_path
from otel_genai_cost.transport.room import Room

__all__ = ["ADDRESS", "Limits", "Serving"]

ADDRESS: Final = "127.0.0.1:4319"


class Limits(NamedTuple):
    """How much there may be at once.

    Attributes:
        requests_max: requests on their way.
        bytes_max: bytes that they take while they are read.
        request_max_bytes: bytes of the largest request, unpacked.
    """

    requests_max: int = 64
    bytes_max: int = 256 << 20
    request_max_bytes: int = 48 << 20


class Serving:
    """All that a process serves.

    Args:
        receiver: answers requests.
        tokens: say whose they are.
        limits: how much there may be at once.
        more: further families of figures, as text.
    """

    def __init__(
        self,
        receiver: Receiver,
        tokens: SenderTokens,
        limits: Limits,
        more: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._receiver, self._tokens, self._limits = receiver, tokens, limits
        self._room = Room(limits.requests_max, limits.bytes_max)
        self._status = Status(receiver, self._room, more)
        self._stops: list[Callable[[float], object]] = []
        self._sockets: list[Path] = []

    def start(
        self, addresses: Iterable[str], grpc: str | None = None, tls: ServerTls | None = None
    ) -> Iterator[str]:
        """Begin to serve, step by step.

        Args:
            addresses: where by HTTP: `host:port`, or `unix://` and a path.
            grpc: where by gRPC; None for not at all.
            tls: how callers are served, but for those on a Unix socket; None for no TLS.

        Yields:
            What was begun, in a line each.

        Raises:
            ConfigurationError: if an address cannot be had, a certificate is none, or everybody could send.
            MissingExtraError: without gRPC, if that is asked for.
        """
        size = self._limits.request_max_bytes
        for address in addresses:
            self._refuse_everybody(address, tls)
            path = unix_path(address)
            http = HttpService(
                self._receiver, self._tokens, self._room, self._status, request_max_bytes=size
            )
            at = at_port(address, http.start(address, None if path is not None else tls))
            self._stops.append(http.stop)
            self._sockets += [] if path is None else [path]
            scheme = "" if path is not None else "http://" if tls is None else "https://"
            yield f"receiving journals at {scheme}{at}{'' if path is not None else PATH}"
        if grpc is not None:
            self._refuse_everybody(grpc, tls)
            yield f"receiving journals by gRPC at {self._start_grpc(grpc, tls)}"

    def _start_grpc(self, address: str, tls: ServerTls | None) -> str:
        from otel_genai_cost.intake.grpc_service import GrpcService

        size = self._limits.request_max_bytes
        service = GrpcService(self._receiver, self._tokens, self._room, request_max_bytes=size)
        port = service.start(address, tls)
        self._stops.append(service.stop)
        return at_port(address, port)

    def _refuse_everybody(self, address: str, tls: ServerTls | None) -> None:
        """Whoever reaches a receiver that asks for nothing writes what calls cost."""
        if unix_path(address) is not None or self._tokens.are_given or _is_loopback(address):
            return
        if tls is None or tls.client_ca is None:
            raise ConfigurationError(
                "everybody who reaches this address could send",
                value=address,
                remedy="give out a token: `genai-cost ledger senders add NAME`; or pass --tls-client-ca, or "
                f"listen at {ADDRESS}",
            )

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed."""
        self._status.is_ending = True
        with ThreadPoolExecutor(max(1, len(self._stops))) as pool:
            for stop in self._stops:
                pool.submit(stop, grace_s)
        for path in self._sockets:
            with suppress(OSError):
                path.unlink()


def _is_loopback(address: str) -> bool:
    host, port = host_and_port(address)
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM)
    except OSError:
        return False  # whoever binds it says why
    return all(ip_address(str(one[4][0]).partition("%")[0]).is_loopback for one in found)
