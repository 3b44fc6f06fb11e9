"""TLS for HTTP, from certificates in PEM that are held in memory, as gRPC takes them."""

from __future__ import annotations

import ssl
from tempfile import NamedTemporaryFile

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.transport.listening import ServerTls
from otel_genai_cost.transport.receiver import Receiver

__all__ = ["client_context", "server_context"]


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """How callers are served.

    Args:
        tls: Our certificate, and whose certificates callers must have.

    Raises:
        ConfigurationError: if a certificate or key is none.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _identify(context, tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(cadata=tls.client_ca.decode())
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise _unusable(error) from None
    return context


def client_context(receiver: Receiver) -> ssl.SSLContext:
    """How a receiver is reached.

    Args:
        receiver: Says whose certificates are believed, and which is ours.

    Raises:
        ConfigurationError: if a certificate or key is none.
    """
    try:
        ca = None if receiver.ca is None else receiver.ca.decode()
        context = ssl.create_default_context(cadata=ca)
        if receiver.certificate is not None and receiver.key is not None:
            _identify(context, receiver.certificate, receiver.key)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise _unusable(error) from None
    return context


def _identify(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Python's library reads them from a file only; this one is ours alone, and gone at once."""
    with NamedTemporaryFile(prefix="genai-cost-") as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        context.load_cert_chain(file.name)


def _unusable(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        "a certificate or key cannot be used", where=str(error), remedy="pass PEM files"
    )
