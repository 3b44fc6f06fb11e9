"""For which hosts the pages answer: a name that somebody else points at this address is none of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import SplitResult, urlsplit

__all__ = ["LOOPBACK", "host_of", "is_answered", "is_loopback", "is_own_origin", "private_url"]

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def host_of(header: str) -> str | None:
    """The name of a Host header, without its port; None if it is none.

    Args:
        header: as it came.
    """
    if header != header.strip() or any(sign in header for sign in "/@?#\\ ,"):
        return None
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname or None


def is_loopback(host: str) -> bool:
    """Whether an address that is listened at is this machine's alone.

    Args:
        host: a name or an address.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def private_url(given: object) -> SplitResult | None:
    """The parts of an address that nobody can listen in on the way to: of https, or of http on this machine.

    Args:
        given: from a file or a provider.

    Returns:
        None for anything else.
    """
    if not isinstance(given, str):
        return None
    try:
        parts = urlsplit(given)
        _ = parts.port
    except ValueError:
        return None
    is_private = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    return parts if is_private else None


def is_answered(headers: Collection[str], hosts: Collection[str]) -> bool:
    """Whether a request is for one of our hosts.

    Args:
        headers: every Host header of it.
        hosts: names, in lower case.
    """
    if len(headers) != 1:
        return False
    (header,) = headers
    return host_of(header) in hosts


def is_own_origin(origin: str, host_header: str, public_url: str | None) -> bool:
    """Whether a page of ours makes a request.

    Args:
        origin: the Origin header.
        host_header: the Host header, which is one of ours.
        public_url: where browsers find us, where that is another name than the one that a proxy has for us.
    """
    if public_url is not None and origin.lower() == public_url.lower():
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    is_web = parts.scheme in ("http", "https")
    return is_web and parts.netloc.lower() == host_header.lower()
