"""The OTLP sink: what a receiver gets, and that the position stands behind what it acknowledged and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.attributes import TABLE
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.entry import Entry, entry_json
from otel_genai_cost.ledger.sink import Mark, load_sink
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.otlp.clients import endpoint_of
from otel_genai_exporters.otlp.records import resource_of
from otel_genai_exporters.otlp.sink import OtlpSink, RejectedError
from tests.certificates import made
from tests.exporters.entries import entries
from tests.exporters.otlp_receiver import (
    TAKEN,
    Receiver,
    Verdict,
    attributes_of,
    by_grpc,
    by_http,
    records_of,
    seq_of,
)

_PROTOCOLS: dict[str, Callable[[], AbstractContextManager[Receiver]]] = {
    "grpc": by_grpc,
    "http/protobuf": by_http,
}


@pytest.fixture(params=_PROTOCOLS)
def receiver(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Generator[Receiver]:
    with _PROTOCOLS[request.param]() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", request.param)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        yield found


@pytest.fixture
def sink(receiver: Receiver, tmp_path: Path) -> Generator[OtlpSink]:
    found = OtlpSink(tmp_path / "otlp.sqlite")
    yield found
    found.close()


def _rejecting(*seqs: int) -> Callable[[Any], Verdict]:
    def judge(request: Any) -> Verdict:
        bad = [one for one in records_of(request) if seq_of(one) in seqs]
        return Verdict(len(bad), "label too long") if bad else TAKEN

    return judge


def test_entry_is_an_event_with_its_exact_amount(receiver: Receiver, sink: OtlpSink) -> None:
    atto = 10**19 + 1  # beyond what 64 bits hold, and what a double tells from its neighbour
    entry = _with_amount(entries(1)[0], atto)
    sink.append("ledger-1", [entry])
    ((block,),) = [request.resource_logs for request in receiver.requests]
    assert attributes_of(block.resource)["genai_cost.ledger.id"] == "ledger-1"
    (record,) = receiver.records
    found = attributes_of(record)
    assert record.event_name == "genai_cost.entry"
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (
        entry.occurred_us * 1000,
        entry.booked_us * 1000,
    )
    assert found["log.record.uid"] == entry.id
    assert parse_money(found["genai_cost.entry.amount"]) == atto
    assert (found["genai_cost.currency"], found["tenant.id"]) == ("USD", "acme")
    assert (found["genai_cost.entry.input_tokens"], found["genai_cost.entry.output_tokens"]) == (
        11,
        3,
    )
    assert found["tenant.plan"] == "pro"
    assert json.loads(record.body.string_value) == json.loads(json.dumps(entry_json(entry)))
    assert set(found) <= {row.name for row in TABLE if row.direction != "read"}


def test_a_reversal_is_an_event_below_zero(receiver: Receiver, sink: OtlpSink) -> None:
    entry = _with_amount(entries(1)[0], -(35 * 10**14))._replace(calls=-1, cause="reattributed")
    sink.append("ledger-1", [entry])
    found = attributes_of(receiver.records[0])
    assert found["genai_cost.entry.amount"] == "-0.0035"
    assert (found["genai_cost.entry.calls"], found["genai_cost.entry.cause"]) == (
        -1,
        "reattributed",
    )


@pytest.mark.parametrize(
    ("variables", "service", "instance"),
    [
        ({}, "genai-cost", "of-0"),
        ({"OTEL_SERVICE_NAME": "costs"}, "costs", "of-1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=costs,team=a"}, "costs", "of-2"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=mine"}, "genai-cost", "mine"),
    ],
)
def test_the_ledger_is_the_instance_whoever_ships(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], service: str, instance: str
) -> None:
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    own = instance if instance.startswith("of-") else "of-3"
    found = resource_of(own).attributes
    assert (found["service.name"], found["service.instance.id"]) == (service, instance)
    assert (found["genai_cost.ledger.id"], found["telemetry.sdk.language"]) == (own, "python")
    assert found.get("team") == ("a" if "team" in str(variables) else None)


def test_limits_on_attributes_cut_no_amount(
    receiver: Receiver, sink: OtlpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "2")
    sink.append("ledger-1", [_with_amount(entries(1)[0], 123_456_789)])
    assert attributes_of(receiver.records[0])["genai_cost.entry.amount"] == "0.000000000123456789"


def test_long_feeds_are_several_requests_below_what_servers_take(
    receiver: Receiver, sink: OtlpSink
) -> None:
    wide = [one._replace(model="m" * 20_000) for one in entries(120)]
    sink.append("ledger-1", wide)
    assert receiver.seqs == list(range(1, 121))
    assert len(receiver.requests) > 1
    assert max(len(one.SerializeToString()) for one in receiver.requests) < 4 * 2**20
    assert sink.mark() == Mark("ledger-1", 120)


def test_rejected_entry_is_found_and_the_position_stands_before_it(
    receiver: Receiver, sink: OtlpSink
) -> None:
    receiver.judge = _rejecting(6, 9)
    with pytest.raises(RejectedError, match=r"rejects entry 6 \(event .*label too long.*set-aside"):
        sink.append("ledger-1", entries(12))
    assert sink.mark() == Mark("ledger-1", 5)
    receiver.requests.clear()
    with pytest.raises(RejectedError):  # the next round asks for that one alone
        sink.append("ledger-1", entries(7, first=6))
    assert receiver.seqs == [6]
    receiver.judge = lambda request: TAKEN
    sink.append("ledger-1", entries(7, first=6))
    assert sink.mark() == Mark("ledger-1", 12)
    assert sink.rejected() == []


def test_request_that_is_refused_as_bad_is_taken_apart_too(
    receiver: Receiver, sink: OtlpSink
) -> None:
    def judge(request: Any) -> Verdict:
        bad = any(seq_of(one) == 3 for one in records_of(request))
        return Verdict(status=400, message="no such thing") if bad else TAKEN

    receiver.judge = judge
    with pytest.raises(RejectedError, match=r"entry 3 .*no such thing"):
        sink.append("ledger-1", entries(4))
    assert sink.mark() == Mark("ledger-1", 2)


@pytest.mark.parametrize(("status", "said"), [(401, "who are you"), (503, "too busy")])
def test_failure_moves_nothing_and_says_what_the_receiver_said(
    receiver: Receiver, sink: OtlpSink, status: int, said: str
) -> None:
    receiver.judge = lambda request: Verdict(status=status, message=said)
    with pytest.raises(GenAICostError, match=f"did not take entries: .*{said}"):
        sink.append("ledger-1", entries(3))
    assert sink.mark() is None
    receiver.judge = lambda request: TAKEN
    sink.append("ledger-1", entries(3))
    assert sink.mark() == Mark("ledger-1", 3)


def test_warning_of_a_receiver_that_took_all_is_passed_on(
    receiver: Receiver, sink: OtlpSink, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.judge = lambda request: Verdict(message="the field model is deprecated")
    sink.append("ledger-1", entries(1))
    assert sink.mark() == Mark("ledger-1", 1)
    assert "took all, and says: the field model is deprecated" in caplog.text


def test_headers_and_compression_are_those_of_the_variables(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-scope-orgid=finance")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    sink = OtlpSink(tmp_path / "otlp.sqlite")
    sink.append("ledger-1", entries(2))
    sink.close()
    assert receiver.headers[0]["x-scope-orgid"] == "finance"
    assert receiver.seqs == [1, 2]


def test_what_the_exporter_raises_is_said(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-scope-orgid=a%0Ab")
    sink = OtlpSink(tmp_path / "otlp.sqlite")
    with pytest.raises(
        GenAICostError, match=r"entries: (.*metadata|nothing was sent: see what the exp)"
    ):
        sink.append("ledger-1", entries(1))
    sink.close()


def test_no_compression_can_be_asked_for(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    sink = OtlpSink(tmp_path / "otlp.sqlite")
    sink.append("ledger-1", entries(1))
    sink.close()
    assert receiver.seqs == [1]


@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_tls_and_our_own_certificate_by_the_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    pair, by = made(), {"grpc": by_grpc, "http/protobuf": by_http}[protocol]
    files = {"CERTIFICATE": "ca.pem", "CLIENT_CERTIFICATE": "ca.pem", "CLIENT_KEY": "key.pem"}
    (tmp_path / "ca.pem").write_bytes(pair.certificate)
    (tmp_path / "key.pem").write_bytes(pair.key)
    (tmp_path / "proxy.pem").write_bytes(made().certificate)  # where one looks inside of TLS
    with by(pair) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "proxy.pem"))
        for name, file in files.items():
            monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", str(tmp_path / file))
        sink = OtlpSink(tmp_path / "otlp.sqlite")
        sink.append("ledger-1", entries(2))
        sink.close()
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CERTIFICATE")
        doubting = OtlpSink(tmp_path / "other.sqlite")
        with pytest.raises(GenAICostError, match=r"did not take entries: (UNAVAILABLE|SSLError)"):
            doubting.append("ledger-1", entries(2))
        doubting.close()
    assert receiver.seqs == [1, 2]


@pytest.mark.parametrize(
    ("named", "shown"),
    [
        ("http://me:secret@there.example:4317/v1", "there.example:4317 (grpc)"),
        ("localhost:4317", "localhost:4317 (grpc)"),
        ("[::1]:4317", "[::1]:4317 (grpc)"),
        ("", "localhost:4317 (grpc)"),
    ],
)
def test_where_entries_go_is_said_without_a_password(
    monkeypatch: pytest.MonkeyPatch, named: str, shown: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", named)
    assert endpoint_of("LOGS") == shown


@pytest.mark.parametrize(
    ("kind", "body", "is_taken"),
    [
        ("application/json", b"{}", True),
        ("application/json", b'{"partialSuccess":{"rejectedLogRecords":"1"}}', False),
        ("text/plain", b"", True),
        ("text/html", b"<h1>Please log in</h1>", False),
        ("application/x-protobuf", b"\xff\xff", False),
    ],
)
def test_only_an_answer_of_otlp_is_an_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, body: bytes, is_taken: bool
) -> None:
    with by_http(answer=(kind, body)) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        sink = OtlpSink(tmp_path / "otlp.sqlite")
        if is_taken:
            sink.append("ledger-1", entries(1))
        else:
            with pytest.raises(GenAICostError):
                sink.append("ledger-1", entries(1))
        sink.close()
    assert (sink.mark() is not None) is is_taken


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
    ],
)
def test_variable_that_cannot_be_used_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_"):
        load_sink("otlp", path=tmp_path / "otlp.sqlite")


_KILLED = """
import sys
from pathlib import Path
from otel_genai_exporters.otlp.position import Position
from otel_genai_exporters.otlp.sink import OtlpSink
from tests.exporters.entries import entries
import os, signal
Position.advance = lambda self, mark: os.kill(os.getpid(), signal.SIGKILL)
OtlpSink(Path(sys.argv[1])).append("ledger-1", entries(4))
"""


def test_killed_between_acknowledgement_and_position_the_same_events_come_again(
    receiver: Receiver, tmp_path: Path
) -> None:
    path = tmp_path / "otlp.sqlite"
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    first = receiver.uids
    receiver.requests.clear()
    sink = OtlpSink(path)
    assert sink.mark() is None
    sink.append("ledger-1", entries(4))
    sink.close()
    assert receiver.uids == first
    assert len(set(first)) == 4


def _with_amount(entry: Entry, atto: int) -> Entry:
    return entry._replace(amount=atto)
