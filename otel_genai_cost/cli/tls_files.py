"""Certificates and keys in PEM, as commands that serve or send take them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otel_genai_cost.errors import ConfigurationError

if TYPE_CHECKING:
    from otel_genai_cost.transport.listening import ServerTls

__all__ = ["TlsCert", "TlsClientCa", "TlsKey", "content_of", "server_tls"]

TlsCert = Annotated[Path | None, typer.Option(help="Our certificate for senders, PEM.")]
TlsKey = Annotated[Path | None, typer.Option(help="Its key, PEM.")]
TlsClientCa = Annotated[
    Path | None, typer.Option(help="Senders must have a certificate of this one, PEM.")
]


def content_of(path: Path | None) -> bytes | None:
    """What is in a file; None for none.

    Raises:
        ConfigurationError: if it cannot be read.
    """
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            "a file cannot be read", value=str(path), where=str(error), remedy="name another"
        ) from None


def server_tls(cert: Path | None, key: Path | None, client_ca: Path | None) -> ServerTls | None:
    """How callers are served; None for no TLS.

    Args:
        cert: the file of our certificate.
        key: that of its key.
        client_ca: that of whose certificates callers must have.

    Raises:
        ConfigurationError: if one is missing, or a file cannot be read.
    """
    from otel_genai_cost.transport.listening import ServerTls

    if cert is None and key is None and client_ca is None:
        return None
    if cert is None or key is None:
        raise ConfigurationError(
            "TLS needs a certificate and its key", remedy="pass both --tls-cert and --tls-key"
        )
    return ServerTls(content_of(cert) or b"", content_of(key) or b"", content_of(client_ca))
