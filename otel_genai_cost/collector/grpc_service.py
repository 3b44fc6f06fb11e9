"""The hop as OTLP's gRPC service for traces: requests come as bytes and go on as bytes, and what the receiver answers
goes back as it is, an error with all its details.

A request is journalled before it goes on. Whoever sends one again, because the receiver did not take it, is charged
once: the observations are the same.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any, Final, NamedTuple

from otel_genai_cost.collector.fields import BYTES, VARINT, bytes_field
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.errors import ConfigurationError, MissingExtraError

try:
    import grpc as library
except ImportError:
    raise MissingExtraError("the collector's hop", "grpcio", "collector") from None

grpc: Final[Any] = library  # its functions have no types

__all__ = ["MESSAGE_LIMIT_BYTES", "GrpcHop", "Receiver", "ServerTls"]

MESSAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024
_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_HEALTH: Final = "/grpc.health.v1.Health/Check"
_SERVING: Final = bytes((1 << 3 | VARINT, 1))
_DETAILS: Final = "grpc-status-details-bin"
_OWN_METADATA: Final = ("user-agent", "content-type", "te")
"""What each connection says for itself, beside all that begins with `grpc-`."""

_RETRY_AFTER_S: Final = 1
_SIZES: Final = (
    ("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES),
    ("grpc.max_send_message_length", MESSAGE_LIMIT_BYTES + MESSAGE_LIMIT_BYTES // 4),
)


class ServerTls(NamedTuple):
    """How callers are served: our certificate and its key, and whose certificates callers must have, if any; in PEM."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


class Receiver(NamedTuple):
    """Where requests go.

    Attributes:
        endpoint: `host:port`.
        ca: Whose certificates are believed, in PEM; None to connect without TLS.
        certificate: Our own, where the receiver asks for one, with its `key`.
        key: Of our own certificate.
        gzip: Whether requests are compressed; on one machine that costs more than all the rest.
    """

    endpoint: str
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    gzip: bool = False


class GrpcHop:
    """Serves a hop.

    Args:
        hop: Prices the requests.
        receiver: Where they go.
        requests_max: How many may be on their way at once; a further one is refused as RESOURCE_EXHAUSTED and told when
            to come again, so that its sender keeps it.
    """

    def __init__(self, hop: Hop, receiver: Receiver, *, requests_max: int = 16) -> None:
        self._hop = hop
        self._room = BoundedSemaphore(requests_max)
        self._channel: Any = _channel(receiver)
        self._send: Any = self._channel.unary_unary(_EXPORT)
        workers = ThreadPoolExecutor(requests_max + 4, thread_name_prefix="genai-cost-hop")
        options = (*_SIZES, ("grpc.so_reuseport", 1))
        self._server: Any = grpc.server(workers, (_Methods(self._export),), options=options)

    def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Begin to serve.

        Args:
            address: `host:port`; several processes may have the same one. Port 0 takes a free one.
            tls: How callers are served; None for no TLS.

        Returns:
            The port.

        Raises:
            ConfigurationError: if the address cannot be had.
        """
        _try(address)
        port = self._bound(address, tls)
        self._server.start()
        return port

    def _bound(self, address: str, tls: ServerTls | None) -> int:
        port: int
        if tls is None:
            port = self._server.add_insecure_port(address)
        else:
            credentials = grpc.ssl_server_credentials(
                [(tls.key, tls.certificate)], tls.client_ca, tls.client_ca is not None
            )
            port = self._server.add_secure_port(address, credentials)
        return port

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed."""
        self._server.stop(grace_s).wait()
        self._channel.close()

    def _export(self, request: bytes, context: Any) -> Any:
        if not self._room.acquire(blocking=False):
            context.set_trailing_metadata(((_DETAILS, _come_again()),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many requests at once")
        try:
            return self._passed(request, context)
        finally:
            self._room.release()

    def _passed(self, request: bytes, context: Any) -> Any:
        try:
            request = self._hop.passed_on(request)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no export request: {error}")
        return self._answered(request, context)

    def _answered(self, request: bytes, context: Any) -> Any:
        """What the receiver says to a request; its error ends the call."""
        try:
            return self._send(
                request, timeout=context.time_remaining(), metadata=_passed_on(context)
            )
        except library.RpcError as error:
            refused: Any = error
            context.set_trailing_metadata(_details(refused))
            return context.abort(refused.code(), refused.details())


def _serving(request: bytes, context: Any) -> bytes:
    return _SERVING


def _try(address: str) -> None:
    """Whether we can have an address; gRPC would only log why not, in lines of its own."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, where in found:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                tried.bind(where)
    except OSError as error:
        raise ConfigurationError(
            "the address cannot be had",
            value=address,
            where=str(error),
            remedy="name a host and port of this machine that is free",
        ) from None


class _Methods(library.GenericRpcHandler):
    """What is served: export requests, and the health of the service, without parsing either."""

    def __init__(self, export: Callable[[bytes, Any], Any]) -> None:
        self._handlers: dict[str, Any] = {
            _EXPORT: grpc.unary_unary_rpc_method_handler(export),
            _HEALTH: grpc.unary_unary_rpc_method_handler(_serving),
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


def _channel(receiver: Receiver) -> Any:
    compression = grpc.Compression.Gzip if receiver.gzip else grpc.Compression.NoCompression
    if receiver.ca is None:
        return grpc.insecure_channel(receiver.endpoint, options=_SIZES, compression=compression)
    credentials = grpc.ssl_channel_credentials(receiver.ca, receiver.key, receiver.certificate)
    return grpc.secure_channel(
        receiver.endpoint, credentials, options=_SIZES, compression=compression
    )


def _passed_on(context: Any) -> list[tuple[str, str | bytes]]:
    """What the caller said beside its request, a tenant's credentials for example."""
    return [
        (key, value)
        for key, value in context.invocation_metadata()
        if not key.startswith("grpc-") and key not in _OWN_METADATA
    ]


def _details(error: Any) -> Sequence[tuple[str, str | bytes]]:
    """What the receiver said beside its error: when to come again, for example."""
    return [
        (key, value)
        for key, value in error.trailing_metadata() or ()
        if key == _DETAILS or not key.startswith("grpc-")
    ]


def _come_again() -> bytes:
    """A `google.rpc.Status` with `RetryInfo`: without it, RESOURCE_EXHAUSTED tells a sender to drop its spans."""

    delay = bytes((1 << 3 | VARINT, _RETRY_AFTER_S))
    kind = bytes_field(1 << 3 | BYTES, b"type.googleapis.com/google.rpc.RetryInfo")
    retry = bytes_field(2 << 3 | BYTES, bytes_field(1 << 3 | BYTES, delay))
    code: int = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    return bytes((1 << 3 | VARINT, code)) + bytes_field(3 << 3 | BYTES, kind + retry)
