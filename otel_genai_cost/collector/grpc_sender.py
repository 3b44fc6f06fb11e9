"""Requests go to a receiver by gRPC, as the bytes they are; what it says to them comes back whole."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost.collector.answer import OK, Answer, Metadata, retry_after_in
from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.transport.receiver import Receiver

try:
    import grpc as library
except ImportError:
    raise MissingExtraError("the collector's hop", "grpcio", "collector") from None

grpc: Final[Any] = library  # its functions have no types

__all__ = ["DETAILS", "EXPORT", "GrpcSender", "sizes"]

EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
DETAILS: Final = "grpc-status-details-bin"
"""Where gRPC keeps the `google.rpc.Status` of an error."""

_RECONNECT: Final = (
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)
"""By default a channel waits up to two minutes before it looks again for a receiver that was away."""


def sizes(request_max_bytes: int) -> tuple[tuple[str, int], ...]:
    """How large messages may be: one that comes in, and one that goes on with what it costs."""
    return (
        ("grpc.max_receive_message_length", request_max_bytes),
        ("grpc.max_send_message_length", request_max_bytes * 2),
    )


class GrpcSender:
    """Sends by gRPC.

    Args:
        receiver: Where requests go.
        request_max_bytes: The size of the largest that comes in.
    """

    def __init__(self, receiver: Receiver, request_max_bytes: int) -> None:
        options = (*sizes(request_max_bytes), *_RECONNECT)
        compression = grpc.Compression.Gzip if receiver.gzip else grpc.Compression.NoCompression
        self._channel: Any
        if receiver.ca is None:
            self._channel = grpc.insecure_channel(
                receiver.endpoint, options=options, compression=compression
            )
        else:
            credentials = grpc.ssl_channel_credentials(
                receiver.ca, receiver.key, receiver.certificate
            )
            self._channel = grpc.secure_channel(
                receiver.endpoint, credentials, options=options, compression=compression
            )
        self._export: Any = self._channel.unary_unary(EXPORT)

    def send(self, request: bytes, metadata: Metadata, timeout_s: float) -> Answer:
        """Send a request, and wait for its answer.

        Args:
            request: An ExportTraceServiceRequest in protobuf.
            metadata: What its sender said beside it.
            timeout_s: How long to wait.
        """
        try:
            return Answer(OK, body=self._export(request, timeout=timeout_s, metadata=metadata))
        except library.RpcError as error:
            return _answer(error)

    def close(self) -> None:
        """End the connection."""
        self._channel.close()


def _answer(error: Any) -> Answer:
    """An error as the receiver said it: what is wrong, and when to come again, for example."""
    trailing: Any = error.trailing_metadata()
    said: list[tuple[str, Any]] = list(trailing or ())
    details = next((value for key, value in said if key == DETAILS), b"")
    metadata = [(key, value) for key, value in said if not key.startswith("grpc-")]
    return Answer(
        error.code().value[0],
        error.details() or "",
        details,
        metadata,
        retry_after_in(details),
    )
