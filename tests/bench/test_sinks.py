"""No store is left out of what is measured, and a server that is not there is named."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from otel_genai_cost.ledger.sink import GROUP
from tests.bench import sinks


def test_every_sink_is_measured_but_those_that_export_telemetry() -> None:
    known = {one.name for one in entry_points(group=GROUP)}
    measured = {one.kind for one in (*sinks.STORES.values(), *sinks.HEAVY.values())}
    assert measured == known - {"otlp", "otlp_metrics"}


def test_a_server_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @contextmanager
    def absent(folder: Path) -> Generator[sinks.Server]:
        raise AssertionError("it is not installed: run tests/services.sh")
        yield

    store = sinks.Store("postgresql", 1, 1, absent)
    monkeypatch.setattr(sinks, "STORES", {"Elsewhere": store})
    assert list(sinks.sinks()) == []
    assert capsys.readouterr().out == (
        "- Elsewhere: not measured: it is not installed: run tests/services.sh\n"
    )
