"""Whether a service serves, and how it is doing, by HTTP: `/healthz` for its callers, `/metrics` for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from otel_genai_cost.transport.exposition import EXPOSITION
from otel_genai_cost.transport.http_server import Call, HttpServer, Reply

__all__ = ["StatusService"]

_CONNECTIONS_MAX: Final = 16


class StatusService:
    """Says how a service is doing.

    Args:
        figures: Its metrics as Prometheus reads them. Called on a thread of ours.

    Attributes:
        is_ending: Whether it takes no more requests.
    """

    def __init__(self, figures: Callable[[], Iterable[str]]) -> None:
        self._figures = figures
        self.is_ending = False
        self._server = HttpServer(self._reply, shared=False, connections_max=_CONNECTIONS_MAX)

    def start(self, address: str) -> int:
        """Begin to serve.

        Args:
            address: `host:port`, of this process alone. Port 0 takes a free one.

        Returns:
            The port.

        Raises:
            ConfigurationError: if the address cannot be had.
        """
        return self._server.start(address)

    def stop(self) -> None:
        """End."""
        self._server.stop(0)

    def _reply(self, call: Call) -> Reply:
        path = call.path.partition("?")[0]
        if call.method not in ("GET", "HEAD") or path not in ("/healthz", "/metrics"):
            return Reply(404, b"there are /healthz and /metrics\n")
        if path == "/metrics":
            return Reply(200, "".join(self._figures()).encode(), EXPOSITION)
        return Reply(503, b"ending\n") if self.is_ending else Reply(200, b"serving\n")
