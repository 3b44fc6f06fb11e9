"""How metering in a process is doing, as Prometheus reads it: for services that say so themselves.

An application reports the same as OpenTelemetry metrics (`metrics.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from otel_genai_cost import errors
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.watch import reloads
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_cost.transport.exposition import by_label, family

__all__ = ["journal_figures", "process_figures"]


def journal_figures(journal: Journal) -> Iterator[str]:
    """What a journal could not take.

    Args:
        journal: Where the process writes.
    """
    kept = {"waiting": journal.not_journalled - journal.dropped, "dropped": journal.dropped}
    yield from family(
        "not_journalled", "Observations that no journal folder took.", by_label("state", kept)
    )


def process_figures() -> Iterator[str]:
    """What every process of ours counts."""
    for name, label, help_, counts in (
        ("failures_total", "entry", "Errors that were kept from requests.", errors.failures),
        ("tenant_refusals_total", "reason", "Tenants that were not believed.", refusals),
        ("reloads_total", "outcome", "Price files that changed.", reloads),
    ):
        yield from family(name, help_, by_label(label, dict(counts)))
