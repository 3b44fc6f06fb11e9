"""Whether a hop serves, and what has come by, by HTTP: `/healthz` for who sends it requests, `/metrics` for Prometheus.

No label has more values than a fixed list: no tenant, no model, no sender.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_genai_cost import errors
from otel_genai_cost.collector.exchange import Exchange
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.watch import reloads
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_cost.transport.exposition import EXPOSITION, by_label, family
from otel_genai_cost.transport.http_server import Call, HttpServer, Reply

__all__ = ["StatusService"]

_CONNECTIONS_MAX: Final = 16


class StatusService:
    """Says how a hop is doing.

    Args:
        exchange: Answers its requests.
        hop: What it does with them.
        journal: Where it writes.

    Attributes:
        is_ending: Whether it takes no more requests.
    """

    def __init__(self, exchange: Exchange, hop: Hop, journal: Journal) -> None:
        self._exchange, self._hop, self._journal = exchange, hop, journal
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
            return Reply(200, "".join(self._metrics()).encode(), EXPOSITION)
        return Reply(503, b"ending\n") if self.is_ending else Reply(200, b"serving\n")

    def _metrics(self) -> Iterator[str]:
        traffic, room, hop = self._exchange.traffic, self._exchange.room, self._hop
        yield from family(
            "hop_requests_total",
            "Export requests, by protocol and by what they were answered.",
            {f'protocol="{by}",answer="{word}"': n for (by, word), n in traffic.counted().items()},
        )
        yield from family(
            "hop_received_bytes_total",
            "Bytes of requests that were let in, unpacked, by protocol.",
            by_label("protocol", dict(traffic.received_bytes)),
        )
        yield from family("hop_spans_total", "Spans that came by.", {"": hop.spans})
        yield from family(
            "hop_seconds_total",
            "Seconds that requests took together: until they were priced, and until the receiver had answered.",
            by_label("step", {"pricing": traffic.pricing_s, "receiver": traffic.receiver_s}),
        )
        yield from family("hop_requests", "Export requests on their way.", {"": room.requests})
        yield from family("hop_bytes", "Bytes of requests on their way.", {"": room.bytes})
        yield from family(
            "observations_total",
            "LLM calls metered, by priced, duplicate, or the reason they are not priced.",
            by_label("outcome", dict(hop.counts)),
        )
        if hop.traces is not None:
            yield from family(
                "hop_traces_total",
                "Calls journalled again with the tenant of their trace, and traces forgotten early.",
                by_label(
                    "what", {"rewritten": hop.traces.written, "forgotten": hop.traces.forgotten}
                ),
            )
        kept = {"waiting": self._journal.not_journalled, "dropped": self._journal.dropped}
        yield from family(
            "not_journalled", "Observations that no journal folder took.", by_label("state", kept)
        )
        for name, label, help_, counts in (
            ("failures_total", "entry", "Errors that were kept from requests.", errors.failures),
            ("tenant_refusals_total", "reason", "Tenants that were not believed.", refusals),
            ("reloads_total", "outcome", "Price files that changed.", reloads),
        ):
            yield from family(name, help_, by_label(label, dict(counts)))
