"""What every process of ours counts, as Prometheus reads it."""

from __future__ import annotations

from pathlib import Path

from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.journal.unwritten import MEMORY_LIMIT
from otel_genai_cost.metering.process_figures import journal_figures


def test_what_was_dropped_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    journal = Journal([tmp_path / "file"])
    for n in range(MEMORY_LIMIT + 7):
        journal.append({"n": n})
    said = "".join(journal_figures(journal))
    assert f'{{state="waiting"}} {MEMORY_LIMIT}\n' in said
    assert '{state="dropped"} 7\n' in said
