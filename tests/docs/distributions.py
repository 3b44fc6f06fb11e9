"""The page of distributions: what became of each row of `tests/environments/distributions.py`."""

from __future__ import annotations

from tests.docs.tables import table
from tests.environments.distribution_run import recorded
from tests.environments.distributions import ROWS

__all__ = ["distributions"]


def distributions() -> str:
    """What the programs beside each distribution found when its outcomes were last written; its tests compare them."""
    found = recorded()
    rows = [
        (
            row.label,
            row.shown,
            *(str(found[row.name][key]) for key in ("release", "calls", "charged", "spans")),
        )
        for row in sorted(ROWS, key=lambda row: row.label.lower())
    ]
    return (
        "# Distributions of OpenTelemetry\n\nThe same program, which calls the `openai` client plain, streamed and "
        "awaited for two tenants in turn, is run without us and with us beside each distribution: as its users install "
        "it and set it up, in its newest release and in that of November 2025, with a head sampler of one request in "
        "ten where it takes one. **Charged** are calls that the ledger has once, in full, for the right tenant, "
        "sampled or not. **Spans** are those that the distribution exported without us; with us, it exports the same, "
        "but for our attributes and our own span of a call that nobody else traces. Nothing is raised, nothing is "
        "logged that is not logged without us, and the start-up line is there. Grafana has no distribution for Python "
        "and documents upstream's.\n\n"
        "`OTEL_CONFIG_FILE` needs nothing of ours in the file. Without `opentelemetry-instrument`, call `install()` "
        "once, before or after the tracer provider is set: it puts clients, edges and queues in place, but those that "
        "`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names. A tracer provider that is not the global one is metered by "
        "`attach(provider)`, and the client is told of it: `OpenAIInstrumentor().instrument(tracer_provider=provider)` "
        "of `otel_genai_instrumentors.entry`. Logfire names the place in the code that called; where we are copied "
        "beside an application rather than installed with it, it may name one of ours.\n\n"
        "`make test-all` runs every row.\n\n"
        + table(("distribution", "set up by", "releases", "calls", "charged", "spans"), rows)
    )
