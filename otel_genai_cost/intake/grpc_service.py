"""A receiver as OTLP's gRPC service for logs: requests come as bytes, as they do by HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.forwarding.wire import EPOCH, LEDGER, STATUS_OF, Refusal
from otel_genai_cost.intake.http_service import asking_of, malformed
from otel_genai_cost.intake.protobuf_logs import (
    refusal_message,
    request_in_protobuf,
    status_code,
    taken_message,
)
from otel_genai_cost.intake.receiver import RETRY_AFTER_S, Receiver
from otel_genai_cost.intake.replica import RefusedError
from otel_genai_cost.intake.sender_tokens import SenderTokens
from otel_genai_cost.transport.grpc_listening import listen
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.room import FullError, Room

try:
    import grpc as _grpc
except ImportError:
    raise MissingExtraError("receiving journals by gRPC", "grpcio", "collector") from None

__all__ = ["GrpcService"]

_SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"
_DETAILS: Final = "grpc-status-details-bin"
_OBJECTS: Final = 3
_grpc_api: Any = _grpc
_CODES: Final = {code.value[0]: code for code in _grpc_api.StatusCode}


class GrpcService:
    """Serves by gRPC.

    Args:
        receiver: answers the requests.
        tokens: say whose they are.
        room: for requests on their way.
        request_max_bytes: the size of the largest; gRPC itself refuses a larger one.
    """

    def __init__(
        self, receiver: Receiver, tokens: SenderTokens, room: Room, *, request_max_bytes: int
    ) -> None:
        self._receiver, self._tokens, self._room = receiver, tokens, room
        workers = ThreadPoolExecutor(room.requests_max + 2, thread_name_prefix="genai-cost-intake")
        handler = _grpc_api.method_handlers_generic_handler(
            _SERVICE, {"Export": _grpc_api.unary_unary_rpc_method_handler(self._export)}
        )
        options = (
            ("grpc.max_receive_message_length", request_max_bytes),
            ("grpc.so_reuseport", 0),
        )
        self._server: Any = _grpc_api.server(workers, (handler,), options=options)

    def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Begin to serve.

        Args:
            address: `host:port`. Port 0 takes a free one.
            tls: how callers are served; None for no TLS.

        Returns:
            The port.

        Raises:
            ConfigurationError: if the address cannot be had.
        """
        return listen(self._server, address, tls, shared=False)

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed."""
        self._server.stop(grace_s).wait()

    def _export(self, message: bytes, context: Any) -> Any:
        identity = self._receiver.identity
        said = ((LEDGER, identity.id), (EPOCH, str(identity.epoch)))
        refusal, others = self._answer(message, context)
        if refusal is None:
            context.set_trailing_metadata(said)
            return taken_message(others)
        again = RETRY_AFTER_S if STATUS_OF[refusal.reason or "BUSY"] == 503 else None
        details = refusal_message(refusal, again)
        context.set_trailing_metadata((*said, (_DETAILS, details)))
        return context.abort(_CODES[status_code(refusal)], refusal.message)

    def _answer(self, message: bytes, context: Any) -> tuple[Refusal | None, int]:
        sender = "?"
        metadata = {
            key: value for key, value in context.invocation_metadata() if isinstance(value, str)
        }
        try:
            asking = asking_of(self._tokens, lambda name, other: metadata.get(name, other))
            sender = asking.sender
            with self._room.stay() as stay:
                stay.enter()
                stay.hold(len(message) * _OBJECTS)
                request = request_in_protobuf(message)
                return self._receiver.answer(asking, request), request.others
        except RefusedError as error:
            refusal = error.refusal
        except FullError:
            refusal = Refusal("BUSY", "too many requests at the moment")
        except ValueError as error:
            refusal = malformed(error)
        return self._receiver.refused(sender, refusal), 0
