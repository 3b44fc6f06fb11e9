"""Where a gRPC server listens."""

from __future__ import annotations

from typing import Any

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.transport.listening import ServerTls, bound_socket

__all__ = ["listen"]


def listen(server: Any, address: str, tls: ServerTls | None, *, shared: bool) -> int:
    """Have a server of grpcio begin to serve.

    Args:
        server: it, not started.
        address: `host:port`. Port 0 takes a free one.
        tls: how callers are served; None for no TLS.
        shared: whether other processes may listen at the same address.

    Returns:
        The port.

    Raises:
        ConfigurationError: if the address cannot be had.
    """
    bound_socket(address, shared=shared).close()  # gRPC would only log why it cannot
    try:
        port = _port(server, address, tls)
    except RuntimeError as error:
        raise ConfigurationError(
            "gRPC cannot listen", value=address, where=str(error), remedy="see what it logged"
        ) from None
    server.start()
    return port


def _port(server: Any, address: str, tls: ServerTls | None) -> int:
    port: int
    if tls is None:
        port = server.add_insecure_port(address)
    else:
        import grpc

        api: Any = grpc  # its functions have no types
        credentials = api.ssl_server_credentials(
            [(tls.key, tls.certificate)], tls.client_ca, tls.client_ca is not None
        )
        port = server.add_secure_port(address, credentials)
    return port
