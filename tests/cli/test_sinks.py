"""`ship` feeds the sinks that are configured, readers do not, and what a receiver rejects waits for a person."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from tests.cli.program import call, rows_of
from tests.exporters.otlp_receiver import TAKEN, Receiver, Verdict, by_grpc, records_of, seq_of
from tests.ledger.build import observe

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    with by_grpc() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
        monkeypatch.setenv("OTEL_GENAI_COST_SINKS", "otlp")
        yield found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    journal = Journal([tmp_path / "journal"])
    for n in range(1, 6):
        journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1)))
    journal.close()
    return tmp_path


def _rejecting_the_third(request: Any) -> Verdict:
    bad = [one for one in records_of(request) if seq_of(one) == 3]
    return Verdict(len(bad), "no") if bad else TAKEN


def test_ship_feeds_the_sinks_and_readers_do_not(
    receiver: Receiver, home: Path, capsys: Capture
) -> None:
    assert rows_of(capsys, "report", "--ledger", str(home))
    assert receiver.requests == []
    assert call(capsys, "ship", "--drain", "--ledger", str(home)).code == 0
    assert receiver.seqs == [1, 2, 3, 4, 5]
    found = {row["sink"]: row for row in rows_of(capsys, "sinks", "list", "--ledger", str(home))}
    assert set(found) == {"duckdb", "otlp"}
    assert {(row["seq"], row["last_seq"], row["behind"]) for row in found.values()} == {(5, 5, 0)}


def test_a_receiver_that_is_away_keeps_no_report_from_anybody(
    receiver: Receiver, home: Path, capsys: Capture, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.judge = lambda request: Verdict(status=503, message="away")
    assert call(capsys, "ship", "--drain", "--ledger", str(home)).code == 1
    assert "did not take entries: UNAVAILABLE: away" in caplog.text
    (row,) = rows_of(capsys, "report", "--ledger", str(home))
    assert row["calls"] == 5


def test_rejected_entry_waits_until_it_is_set_aside_and_can_be_sent_again(
    receiver: Receiver, home: Path, capsys: Capture
) -> None:
    at = ("--ledger", str(home))
    receiver.judge = _rejecting_the_third
    assert call(capsys, "ship", "--drain", *at).code == 1
    listed = call(capsys, "sinks", "list", *at)
    assert (listed.code, "otlp: entry 3 was rejected: no" in listed.err) == (1, True)
    (aside,) = rows_of(capsys, "sinks", "set-aside", "otlp", *at)
    assert (aside["sink"], aside["seq"], aside["set_aside"]) == ("otlp", 3, True)
    receiver.requests.clear()
    assert call(capsys, "ship", *at).code == 0
    assert receiver.seqs == [4, 5]
    assert call(capsys, "sinks", "requeue", "otlp", *at).code == 1
    receiver.judge = lambda request: TAKEN
    assert call(capsys, "sinks", "requeue", "otlp", *at).out == "1 of 1 entries taken\n"
    assert call(capsys, "sinks", "list", *at).code == 0
    assert call(capsys, "sinks", "set-aside", "otlp", *at).code == 1


def test_refilled_sink_gets_every_entry_again_with_the_same_ids(
    receiver: Receiver, home: Path, capsys: Capture
) -> None:
    at = ("--ledger", str(home))
    call(capsys, "ship", "--drain", *at)
    first = receiver.uids
    receiver.requests.clear()
    (refilled,) = rows_of(capsys, "sinks", "refill", "otlp", *at)
    assert refilled == {"sink": "otlp", "seq": 0, "last_seq": 5, "behind": 5}
    call(capsys, "ship", *at)
    assert receiver.uids == first


@pytest.mark.parametrize("name", ["parchment", "duckdb"])
def test_what_cannot_be_done_is_refused(
    receiver: Receiver, home: Path, capsys: Capture, name: str
) -> None:
    call(capsys, "ship", "--drain", "--ledger", str(home))
    done = call(capsys, "sinks", "requeue", name, "--ledger", str(home))
    assert done.code == 2
    assert name in done.err


def test_unknown_sink_is_refused_before_anything_is_shipped(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_GENAI_COST_SINKS", "parchment")
    done = call(capsys, "ship", "--drain", "--ledger", str(home))
    assert done.code == 2
    assert "no such sink: 'parchment'" in done.err
