"""What has come by a hop, as Prometheus reads it.

No label has more values than a fixed list: no tenant, no model, no sender.
"""

from __future__ import annotations

from collections.abc import Iterator

from otel_genai_cost.collector.exchange import Exchange
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.process_figures import journal_figures, process_figures
from otel_genai_cost.transport.exposition import by_label, family

__all__ = ["hop_figures"]


def hop_figures(exchange: Exchange, hop: Hop, journal: Journal) -> Iterator[str]:
    """The metrics of a hop.

    Args:
        exchange: Answers its requests.
        hop: What it does with them.
        journal: Where it writes.
    """
    traffic, room = exchange.traffic, exchange.room
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
            by_label("what", {"rewritten": hop.traces.written, "forgotten": hop.traces.forgotten}),
        )
    yield from journal_figures(journal)
    yield from process_figures()
