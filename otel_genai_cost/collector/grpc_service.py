"""The hop as OTLP's gRPC service for traces: requests come as bytes, and what the receiver answers goes back as it is,
an error with all its details."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from otel_genai_cost.collector.answer import COME_AGAIN, OK, Answer, status_message
from otel_genai_cost.collector.exchange import Exchange
from otel_genai_cost.collector.grpc_sender import DETAILS, EXPORT, grpc, sizes
from otel_genai_cost.transport.fields import VARINT
from otel_genai_cost.transport.grpc_listening import listen
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.room import FullError

__all__ = ["GrpcService"]

_HEALTH: Final = "/grpc.health.v1.Health/Check"
_SERVING: Final = bytes((1 << 3 | VARINT, 1))
_OWN_METADATA: Final = ("user-agent", "content-type", "te")
"""What each connection says for itself, beside all that begins with `grpc-`."""

_THREADS_MORE: Final = 2
"""Threads beside those of requests on their way: they take in what comes, and say that there is no room. A message that
comes in takes twice its size."""

_NO_READING_AHEAD: Final = (("grpc.http2.bdp_probe", 0),)
"""Else each connection is let send megabytes before anybody reads them: 130 MiB with 40 that send 6 each."""


class GrpcService:
    """Serves by gRPC.

    Args:
        exchange: Answers the requests.
        request_max_bytes: The size of the largest; gRPC itself refuses a larger one as RESOURCE_EXHAUSTED, for good.
        shared: Whether other processes may listen at the same address.
    """

    def __init__(
        self, exchange: Exchange, *, request_max_bytes: int = 1 << 26, shared: bool = True
    ) -> None:
        self._exchange, self._shared = exchange, shared
        workers = ThreadPoolExecutor(
            exchange.room.requests_max + _THREADS_MORE, thread_name_prefix="genai-cost-hop"
        )
        options = (
            *sizes(request_max_bytes),
            *_NO_READING_AHEAD,
            ("grpc.so_reuseport", int(shared)),
        )
        self._server: Any = grpc.server(workers, _methods(self._export), options=options)

    def start(self, address: str, tls: ServerTls | None = None) -> int:
        """Begin to serve.

        Args:
            address: `host:port`. Port 0 takes a free one.
            tls: How callers are served; None for no TLS.

        Returns:
            The port.

        Raises:
            ConfigurationError: if the address cannot be had.
        """
        return listen(self._server, address, tls, shared=self._shared)

    def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are answered, or `grace_s` have passed."""
        self._server.stop(grace_s).wait()

    def _export(self, request: bytes, context: Any) -> Any:
        with self._exchange.room.stay() as stay:
            try:
                stay.hold(len(request))
            except FullError:
                return _said(self._exchange.refused("grpc", COME_AGAIN), context)
            left_s = context.time_remaining()
            answer = self._exchange.answer("grpc", stay, request, _passed_on(context), left_s)
            return _said(answer, context)


def _said(answer: Answer, context: Any) -> Any:
    """Answer; what is not OK ends the call."""
    if answer.code == OK:
        return answer.body
    details = answer.body
    if answer.http is not None or not details:
        details = b"" if answer.retry_after_s is None else status_message(answer)
    said = (*answer.metadata, (DETAILS, details)) if details else answer.metadata
    context.set_trailing_metadata(tuple(said))
    return context.abort(_STATUS_CODES[answer.code], answer.message)


_STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}


def _serving(request: bytes, context: Any) -> bytes:
    return _SERVING


def _methods(export: Callable[[bytes, Any], Any]) -> tuple[Any, ...]:
    """What is served: export requests, and the health of the service, without parsing either."""
    served = {EXPORT: export, _HEALTH: _serving}
    return tuple(
        grpc.method_handlers_generic_handler(
            path.split("/")[1],
            {path.split("/")[2]: grpc.unary_unary_rpc_method_handler(serve)},
        )
        for path, serve in served.items()
    )


def _passed_on(context: Any) -> list[tuple[str, str | bytes]]:
    """What the caller said beside its request, a tenant's credentials for example."""
    return [
        (key, value)
        for key, value in context.invocation_metadata()
        if not key.startswith("grpc-") and key not in _OWN_METADATA
    ]
