"""Envoy's external processing service (`ext_proc`): calls are admitted before they are made, read as they are answered,
and ended before their time where nobody grants what they go on to write."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from otel_genai_cost.errors import ConfigurationError, MissingExtraError, fence
from otel_genai_cost.gate.gateway import Gateway

try:
    import grpc as _grpc
    import grpc.aio as _aio

    from otel_genai_cost.gate import ext_proc_messages as messages
    from otel_genai_cost.gate.ext_proc_exchange import Exchange
except ImportError as missing:
    raise MissingExtraError("Envoy's external processing", "grpcio", "envoy") from missing

__all__ = ["PROVIDER_KEY", "ExtProc"]

_logger = logging.getLogger("otel_genai_cost")

PROVIDER_KEY: Final = "genai-cost-provider"
"""Key of the metadata by which a route's configuration says who answers."""

grpc: Final[Any] = _grpc
aio: Final[Any] = _aio

_MESSAGE_MAX: Final = 1 << 24
_CONCURRENT_MAX: Final = 4_096


class ExtProc:
    """Serves it.

    Args:
        gateway: admits the calls.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        options = (
            ("grpc.max_receive_message_length", _MESSAGE_MAX),
            ("grpc.max_send_message_length", _MESSAGE_MAX),
            ("grpc.so_reuseport", 0),
        )
        self._server: Any = aio.server(options=options, maximum_concurrent_rpcs=_CONCURRENT_MAX)
        service, method = messages.PROCESS.strip("/").split("/")
        handler = grpc.stream_stream_rpc_method_handler(self._process, messages.request_of, _bytes)
        generic = grpc.method_handlers_generic_handler(service, {method: handler})
        self._server.add_generic_rpc_handlers((generic,))

    async def start(self, address: str) -> int:
        """Begin to serve.

        Args:
            address: `host:port`. Port 0 takes a free one.

        Returns:
            The port.

        Raises:
            ConfigurationError: if the address cannot be had.
        """
        try:
            port: int = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise ConfigurationError(
                "gRPC cannot listen", value=address, where=str(error), remedy="see what it logged"
            ) from None
        await self._server.start()
        return port

    async def stop(self, grace_s: float) -> None:
        """Take no more requests, and end once those on their way are through, or `grace_s` have passed."""
        await self._server.stop(grace_s)

    async def _process(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        metadata: dict[str, str] = dict(context.invocation_metadata() or ())
        exchange = Exchange(self._gateway, metadata.get(PROVIDER_KEY))
        try:
            async for request in requests:
                kind = messages.kind_of(request)
                if not kind:
                    continue
                answers: list[Any] | None = None
                with fence("gate.ext_proc"):
                    answers = await getattr(exchange, kind)(getattr(request, kind))
                for answer in exchange.without_us(kind, request) if answers is None else answers:
                    yield answer
        finally:
            with fence("gate.ext_proc"):
                exchange.finish()


def _bytes(answer: Any) -> bytes:
    found: bytes = answer.SerializeToString()
    return found
