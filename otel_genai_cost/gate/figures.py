"""How the gate, and the service that asks it for an Envoy, are doing, as Prometheus reads it.

No label has more values than a fixed list: no tenant, no budget, no model.
"""

from __future__ import annotations

from collections.abc import Iterator

from otel_genai_cost import admission
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.gateway import Gateway
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.process_figures import journal_figures, process_figures
from otel_genai_cost.transport.exposition import by_label, family

__all__ = ["gate_figures", "gateway_figures"]


def gate_figures(gate: Gate) -> Iterator[str]:
    """The metrics of a gate.

    Args:
        gate: it.
    """
    yield from family(
        "gate_decisions_total",
        "Calls that the gate was asked to hold, by decision or type of refusal.",
        by_label("decision", dict(gate.decisions)),
    )
    yield from family(
        "gate_passes_total",
        "What proxies were answered that ask before they let a request through.",
        by_label("answer", dict(gate.passes)),
    )
    yield from family(
        "gate_requests_total",
        "Requests, by path and by the status that they were answered with.",
        {f'path="{path}",status="{status}"': n for (path, status), n in gate.requests.items()},
    )
    yield from family("gate_up", "Whether the store of holds answers.", {"": gate.is_up})
    yield from family(
        "gate_lag_seconds",
        "For how long the oldest call that is not booked yet has been waiting.",
        {"": gate.store.lag_us() / 1e6},
    )
    yield from family(
        "gate_is_behind",
        "Whether the books are too far behind, so that budgets that are closed then are.",
        {"": gate.is_behind},
    )
    yield from process_figures()


def gateway_figures(gateway: Gateway, journal: Journal) -> Iterator[str]:
    """The metrics of a service that has an Envoy's calls held.

    Args:
        gateway: it.
        journal: where it writes.
    """
    yield from family(
        "ext_proc_calls_total",
        "Calls that came by, by the gate's decision or the type of the refusal.",
        by_label("decision", dict(gateway.counts)),
    )
    yield from family(
        "ext_proc_events_total",
        "Requests that no model answers, bodies that nobody could read, and streams that outgrew their holds.",
        by_label("event", dict(gateway.events)),
    )
    yield from family(
        "gate_answers_total",
        "What the gate said of calls, by decision or type of refusal, and how often it could not be asked.",
        by_label("answer", dict(admission.counts)),
    )
    yield from journal_figures(journal)
    yield from process_figures()
