"""Where journals go, how durable they are to be there, and by what a sender proves who it is.

Read with the settings, also where nothing is sent: so nothing is imported that they would not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import SplitResult, urlsplit

from otel_genai_cost.errors import ConfigurationError

__all__ = ["Address", "Asked", "Destination", "Durability", "parse_address"]

Durability: TypeAlias = Literal["process", "pod", "node"]
"""What an acknowledged call survives: the end of its process, of its pod, or of its node."""

Asked: TypeAlias = Literal["pod", "node"]
"""What a sender may ask of a receiver."""


class Address(NamedTuple):
    """An address of a receiver.

    Attributes:
        text: as it was written.
        host: empty for a socket of this machine.
        port: of the host.
        is_tls: whether it is reached by TLS.
        path: of the request; empty for OTLP's.
        unix: the socket's path.
    """

    text: str
    host: str = ""
    port: int = 0
    is_tls: bool = False
    path: str = ""
    unix: str = ""

    def __str__(self) -> str:
        return self.text


class Destination(NamedTuple):
    """A receiver, and what is said to it.

    Attributes:
        address: where it is.
        asked: how durable bytes are to be before they are acknowledged.
        token: by which it knows the sender; empty for none.
        token_file: where the token is instead, read again for each request.
        ca: who vouches for the receiver; None for whom the system trusts.
        cert: the sender's own certificate, with its key unless `key` has that.
        key: of the certificate.
    """

    address: Address
    asked: Asked = "pod"
    token: str = ""
    token_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


def parse_address(text: str) -> Address | None:
    """The address of an agent or a ledger; None for none.

    Args:
        text: `http://HOST:PORT`, `https://HOST` or `unix:///PATH`; without a path, OTLP's for logs is asked.

    Raises:
        ConfigurationError: if it is none, or carries a name and password.
    """
    written = text.strip().rstrip("/")
    if not written:
        return None
    found = _split(written)
    if found is None:
        raise ConfigurationError(
            "not the address of an agent or a ledger",
            value=text,
            remedy="use http://HOST:PORT, https://HOST or unix:///PATH",
        )
    if found.scheme == "unix":
        return Address(written, unix=found.path)
    is_tls = found.scheme == "https"
    port = found.port or (443 if is_tls else 80)
    return Address(written, found.hostname or "", port, is_tls, found.path)


def _split(text: str) -> SplitResult | None:
    try:
        found = urlsplit(text)
        if found.query or found.fragment or found.username is not None:
            return None
        if found.scheme == "unix":
            return found if found.path.startswith("/") and not found.netloc else None
        is_fit = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        return None
    return found if is_fit else None
