"""Which addresses a channel may connect to: looked up once, checked, and connected to as they were checked.

A host that is looked up again when the connection is made may have another address by then (DNS rebinding), so that
senders are given addresses and never connect by name.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from otel_genai_cost.errors import ConfigurationError
from otel_genai_exporters.notices.threads import in_thread

__all__ = ["Lookup", "is_public", "look_up", "public_only"]

Lookup = Callable[[str, int], Awaitable[list[str]]]
"""From host and port to addresses."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_EMBEDDING: Final = tuple(
    map(
        ipaddress.ip_network,
        ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96", "fec0::/10"),
    )
)
"""IPv6 networks in which an IPv4 address is reached through somebody else, and the old private ones: NAT64, 6to4,
Teredo, IPv4-compatible, site-local."""

_RELAYS: Final = ipaddress.ip_network("192.88.99.0/24")


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a host, in the order in which they are to be tried.

    Raises:
        OSError: if it has none.
    """
    found = await in_thread(lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def is_public(text: str) -> bool:
    """Whether an address is one of the open internet: not private, shared, loopback, link-local (where clouds keep
    their metadata), multicast or reserved, nor an IPv6 address that stands for such an IPv4 address."""
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.scope_id or any(address in network for network in _EMBEDDING):
            return False
    return address.is_global and not address.is_multicast and address not in _RELAYS


def public_only(lookup: Lookup) -> Lookup:
    """A look-up that refuses a host of which any address is not public.

    Args:
        lookup: what looks up.
    """

    async def checked(host: str, port: int) -> list[str]:
        addresses = await lookup(host, port)
        refused = [one for one in addresses if not is_public(one)]
        if refused:
            raise ConfigurationError(
                "a tenant's URL leads to an address that is not public",
                value=host,
                remedy="name a host on the open internet",
            )
        return addresses

    return checked
