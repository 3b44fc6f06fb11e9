"""Where requests come: an address, and how callers are served there."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError

__all__ = ["ServerTls", "at_port", "bound_socket", "host_and_port", "unix_path"]

_UNIX: Final = "unix://"
_SOCKET_MODE: Final = 0o660
"""Whoever may write to a Unix socket may connect to it: its user, and its group, which is its folder's
where that has the setgid bit."""


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
    if unix_path(address) is not None:
        return address
    return f"{address.rpartition(':')[0]}:{port}"


def unix_path(address: str) -> Path | None:
    """The file of `unix:///run/agent.sock`; None for another address."""
    return Path(address[len(_UNIX) :]) if address.startswith(_UNIX) else None


def bound_socket(address: str, *, shared: bool) -> socket.socket:
    """A socket bound to an address, not yet listening.

    Args:
        address: `host:port`; port 0 takes a free one. Or `unix://` and a path: what a process left there that is gone
            is removed.
        shared: Whether other processes may have the same address.

    Raises:
        ConfigurationError: if it cannot be had.
    """
    path = unix_path(address)
    if path is not None:
        return _bound_file(address, path)
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


def _bound_file(address: str, path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket() and not _is_served(path):
            path.unlink()
        made.bind(str(path))
        path.chmod(_SOCKET_MODE)
    except OSError as error:
        made.close()
        raise _unusable(address, str(error)) from None
    return made


def _is_served(path: Path) -> bool:
    """Whether somebody listens there."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _unusable(address: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        "the address cannot be had",
        value=address,
        where=why,
        remedy="name a host and port of this machine that is free, or a socket in a folder of ours",
    )
