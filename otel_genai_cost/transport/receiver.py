"""Where requests go."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Receiver"]


class Receiver(NamedTuple):
    """Where requests go.

    Attributes:
        endpoint: `host:port` for gRPC, an address that begins with `http://` or `https://` for HTTP.
        ca: Whose certificates are believed, in PEM; None to connect by gRPC without TLS, and by `https` to believe
            those that this machine does.
        certificate: Our own, where the receiver asks for one, with its `key`.
        key: Of our own certificate.
        gzip: Whether requests are compressed; on one machine that costs more than all the rest.
    """

    endpoint: str
    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    gzip: bool = False

    @property
    def is_http(self) -> bool:
        """Whether requests go by HTTP."""
        return self.endpoint.startswith(("http://", "https://"))
