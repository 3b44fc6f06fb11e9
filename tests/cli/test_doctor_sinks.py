"""What `doctor` says of copies of the ledger, and of a receiver that forgets what it acknowledged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from otel_genai_cost.cli.doctor.check import Found
from otel_genai_cost.cli.doctor.sinks import copies, receiver
from otel_genai_cost.cli.home import Home
from tests.cli.command import run
from tests.cli.homes import home_of
from tests.demo.processes import ROOT
from tests.exporters.otlp_receiver import Receiver, Verdict, by_grpc
from tests.ledger.build import observe

_CONFIG = """
exporters:
  otlp_grpc/backend: {endpoint: "there:4317"}
  otlp_grpc/kept: {endpoint: "there:4317", sending_queue: {storage: file_storage}}
  otlp_http/direct: {endpoint: "there:4318", sending_queue: {enabled: false}}
  kafka: ${file:kafka.yaml}
  file: {path: spans.jsonl}
connectors: {forward: {}}
service:
  pipelines:
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp_grpc/backend, file]}
    traces: {receivers: [otlp], exporters: [otlp_grpc/kept, otlp_http/direct, forward]}
    metrics: {receivers: [otlp], exporters: [kafka]}
"""


def _said(config: Path) -> list[Found]:
    return list(receiver(config)(Home(config.parent, ())))


def test_what_keeps_its_queue_in_memory_is_named(tmp_path: Path) -> None:
    (tmp_path / "otelcol.yaml").write_text(_CONFIG, "utf-8")
    found = _said(tmp_path / "otelcol.yaml")
    assert [(one.state, one.seen.partition(" keeps")[0]) for one in found[:2]] == [
        ("warning", "batch in logs"),
        ("warning", "otlp_grpc/backend in logs"),
    ]
    assert [one.seen for one in found[2:]] == [
        "kafka in metrics: the file does not say whether its queue is in memory"
    ]


def test_nothing_is_said_against_the_configuration_for_entries() -> None:
    (found,) = _said(ROOT / "collector-config" / "ledger.yaml")
    assert found.state == "ok"


def test_what_is_no_configuration_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "otelcol.yaml").write_text("- a", "utf-8")
    (found,) = _said(tmp_path / "otelcol.yaml")
    assert (found.state, "no collector's configuration" in found.seen) == ("failure", True)


def test_receiver_of_which_nothing_is_known_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path, ())
    assert list(receiver(None)(home)) == []
    monkeypatch.setenv("OTEL_GENAI_COST_SINKS", "otlp,otlp_metrics")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@there.example:4317/")
    (found,) = receiver(None)(home)
    assert found.state == "warning"
    assert found.seen.startswith("there.example:4317 (grpc): ")


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("OTEL_GENAI_COST_SINKS", "otlp")
    return Home(home_of(tmp_path, [observe(1)]), ())


def _ship_to(judged: Verdict, home: Home, monkeypatch: pytest.MonkeyPatch) -> list[Found]:
    with by_grpc() as received, monkeypatch.context() as patched:
        patched.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.endpoint)
        _judge(received, judged)
        with home.further_sinks() as sinks:
            home.ship(drain=True, sinks=sinks.values())
        return list(copies(home))


def _judge(received: Receiver, judged: Verdict) -> None:
    received.judge = lambda request: judged


def test_copy_that_is_whole(shipped: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _ship_to(Verdict(), shipped, monkeypatch)
    assert (found.state, found.seen) == ("ok", "1 of 1 entries")


def test_rejected_entry_is_wrong(shipped: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = _ship_to(Verdict(1, "no"), shipped, monkeypatch)
    assert found.state == "failure"
    assert found.seen == "1 rejected, the first is entry 1: no"


def test_sink_that_is_not_set_up_is_wrong(shipped: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon")
    (found,) = copies(shipped)
    assert (found.state, "'pigeon'" in found.seen) == ("failure", True)


def test_the_option_of_the_command(tmp_path: Path) -> None:
    (tmp_path / "otelcol.yaml").write_text(_CONFIG, "utf-8")
    config = ("--collector", str(tmp_path / "otelcol.yaml"))
    none = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
    done = run("doctor", "--json", *config, "--ledger", str(tmp_path), env=none)
    found = [row for row in map(json.loads, done.stdout.splitlines()) if row["name"] == "receiver"]
    assert [row["state"] for row in found] == ["warning"] * 3
