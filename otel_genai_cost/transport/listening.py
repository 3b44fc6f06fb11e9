"""Where requests come: an address, and how callers are served there."""

from __future__ import annotations

import socket
from typing import NamedTuple

from otel_genai_cost.errors import ConfigurationError

__all__ = ["ServerTls", "at_port", "bound_socket", "host_and_port"]


class ServerTls(NamedTuple):
    """How callers are served: our certificate and its key, and whose certificates callers must have, if any; in PEM."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None = None


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of `host:port`.

    Raises:
        ConfigurationError: if it is none.
    """
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:
        raise _unusable(address, "no port")
    return host.strip("[]"), int(port)


def at_port(address: str, port: int) -> str:
    """The same host with this port: where one listens that asked for a free one."""
    return f"{address.rpartition(':')[0]}:{port}"


def bound_socket(address: str, *, shared: bool) -> socket.socket:
    """A socket bound to an address, not yet listening.

    Args:
        address: `host:port`; port 0 takes a free one.
        shared: Whether other processes may have the same address.

    Raises:
        ConfigurationError: if it cannot be had.
    """
    host, port = host_and_port(address)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            made.bind(where)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise _unusable(address, str(error)) from None
    return made


def _unusable(address: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        "the address cannot be had",
        value=address,
        where=why,
        remedy="name a host and port of this machine that is free",
    )
