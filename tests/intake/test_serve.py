"""`genai-cost ledger serve`, as a process: what is sent to it is booked once, and bad input harms nobody."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.forwarding.wire import Lines, request_body
from otel_genai_cost.intake.sender_tokens import SENDERS_FILE, sender_token_file
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.ledger.storage.identity import identity_of, promote
from tests.certificates import made
from tests.cli.command import PROGRAM
from tests.demo.processes import wait_until
from tests.intake.sent import line_ends
from tests.intake.served import (
    Served,
    calls_in,
    environment,
    journalled,
    packed,
    posted,
    serving,
    wait_for_calls,
)
from tests.queues.brokers import free_port

_PROTOBUF = "application/x-protobuf"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that asks for tokens."""
    folder = tmp_path_factory.mktemp("served")
    with serving(folder, "--request-max-mib", "8") as served:
        served.token("first")
        yield served


@pytest.fixture
def sent(tmp_path: Path) -> Lines:
    journalled(tmp_path / "there", 1, 2, 3)
    return posted(tmp_path / "there")


def _cli(served: Served, *command: str) -> Any:
    done = subprocess.run(
        [PROGRAM, *command, "--ledger", str(served.home)],
        env=environment(served.home.parent),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_sent_is_booked_once_while_reports_are_made(tmp_path: Path, sent: Lines) -> None:
    with serving(tmp_path) as served:
        for _ in range(3):
            answer = served.send(sent)
            assert (answer.status, answer.body) == (200, b"{}")
        assert set(wait_for_calls(served, 3).values()) == {1}
        charges = _cli(served, "charges", "--json")
        assert len(charges) == 3
        (cover,) = _cli(served, "coverage", "--json")
        assert (cover["shipped"], cover["gaps"], cover["silent_senders"]) == (3, 0, [])
        assert served.ask(None, "/healthz").status == served.ask(None, "/readyz").status == 200
        figures = served.metrics()
        assert figures['genai_cost_receiver_requests_total{answer="taken"}'] == 3
        assert figures["genai_cost_receiver_bytes_total"] == len(sent.content)
        assert figures["genai_cost_ledger_unsettled"] == 0
        assert served.child.stop() == 0
    assert set(calls_in(served.home).values()) == {1}


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = journalled(tmp_path / "there", 1, 2, close=False)
    (path,) = (tmp_path / "there").glob("*.jsonl")
    first = path.read_bytes()
    with serving(tmp_path) as served:
        assert served.send(Lines(path.stem, 0, first)).status == 200
        identity = served.send().headers["genai-cost-ledger"]
        os.kill(served.child.process.pid, signal.SIGKILL)
        served.child.process.wait()
    # a report in between takes nothing for finished
    _cli(served, "report", "--json")
    journal.close()
    whole = path.read_bytes()
    with serving(tmp_path) as again:
        answer = again.send(Lines(path.stem, len(first), whole[len(first) :], finished=True))
        assert answer.status == 200 and answer.headers["genai-cost-ledger"] == identity
        wait_for_calls(again, 2)
        (segment,) = _cli(again, "journal", "ls", "--json")
        assert (segment["finished"], segment["sealed"], segment["gaps"]) == (True, True, 0)


def test_a_second_one_on_the_same_folder_is_refused(shared: Served) -> None:
    done = subprocess.run(
        [PROGRAM, "ledger", "serve", "--ledger", str(shared.home), "--listen", "127.0.0.1:0"],
        env=environment(shared.home.parent),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and "a folder of its own" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_everybody_may_not_send(tmp_path: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "ledger", "serve", "--ledger", str(tmp_path), "--listen", "0.0.0.0:0"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and "genai-cost ledger senders add" in done.stderr


@pytest.mark.parametrize("token", [None, "send_00_x", "x" * 5_000])
def test_who_has_no_token_is_refused(shared: Served, sent: Lines, token: str | None) -> None:
    answer = shared.send(sent, token=token)
    assert (answer.status, answer.refusal.reason) == (401, "UNAUTHENTICATED")
    assert "senders add" in answer.refusal.message
    assert not any(shared.home.glob(f"journal/*/{sent.segment}*"))


def test_a_token_that_was_revoked_holds_no_longer(shared: Served, sent: Lines) -> None:
    token = shared.token("leaver")
    assert shared.send(sent, token=token).status == 200
    assert sender_token_file(shared.home / SENDERS_FILE).revoke(token.split("_")[1])
    wait_until(lambda: shared.send(sent, token=token).status == 401, "it to be refused", 10)


def test_another_senders_segment_is_refused(shared: Served, sent: Lines) -> None:
    assert shared.send(sent, token=shared.token("owner")).status == 200
    answer = shared.send(sent, token=shared.token("rogue"))
    assert (answer.status, answer.refusal.reason) == (403, "FORBIDDEN")
    assert [path.parent.name for path in shared.home.glob(f"journal/*/{sent.segment}.jsonl")] == [
        "owner"
    ]


def test_a_hole_says_how_much_there_is(shared: Served, sent: Lines) -> None:
    token = shared.token("holes")
    answer = shared.send(Lines(sent.segment, 100, b"x\n"), token=token)
    assert (answer.status, answer.refusal.reason) == (503, "HOLE")
    assert answer.headers["retry-after"] == "1"
    assert answer.refusal.metadata == {"segment": sent.segment, "have": "0"}


def test_a_part_that_is_refused_keeps_no_other_back(shared: Served, tmp_path: Path) -> None:
    token = shared.token("several")
    journalled(tmp_path / "a", 11)
    journalled(tmp_path / "b", 12)
    good, bad = posted(tmp_path / "a"), posted(tmp_path / "b")
    answer = shared.send(bad._replace(content=b"torn", finished=False), good, token=token)
    assert (answer.status, answer.refusal.reason) == (400, "MALFORMED")
    kept = shared.home / "journal" / "several" / f"{good.segment}.jsonl"
    assert kept.read_bytes() == good.content


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"[]", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"\xff\xfe", "application/json"),
        (b'{"resourceLogs": 5}', "application/json"),
        (b"\x0a\xff\xff\xff\xff\xff", "application/x-protobuf"),
        (b"\xff" * 100, "application/x-protobuf"),
        (
            request_body([Lines("a", 0, b"")]).replace(b'"a"', b'"../../a"'),
            "application/json",
        ),
        (request_body([Lines("a", -1, b"")]), "application/json"),
        (
            request_body([Lines("a", 0, b"")]).replace(b'"0"', b'"9223372036854775807"'),
            "application/json",
        ),
    ],
)
def test_malformed_requests(shared: Served, body: bytes, content_type: str) -> None:
    token = shared.token("malformed")
    answer = shared.ask(body, content_type=content_type, authorization=f"Bearer {token}")
    assert answer.status == 400
    assert not (shared.home / "journal" / "malformed").exists()
    assert shared.ask(None, "/healthz").status == 200


def test_bodies_are_bounded(shared: Served) -> None:
    token = shared.token("large")
    authorization = {"authorization": f"Bearer {token}"}
    large = request_body([Lines("a", 0, b"x" * (64 << 20))])
    assert shared.ask(large, **authorization).status == 413
    bomb = packed(b" " * (64 << 20))
    answer = shared.ask(bomb, content_encoding="gzip", **authorization)
    assert (answer.status, answer.refusal.reason) == (413, "TOO_LARGE")


def test_who_sends_slowly_takes_nobodys_place(shared: Served, sent: Lines) -> None:
    host, port = shared.at.rsplit(":", 1)
    slow = [socket.create_connection((host, int(port))) for _ in range(20)]
    for one in slow:
        one.sendall(b"POST /v1/logs HTTP/1.1\r\nContent-Length: 100000\r\n")
    assert shared.send(sent, token=shared.token("quick")).status == 200
    for one in slow:
        one.close()


def test_too_much_at_once_is_told_to_come_again(tmp_path: Path, sent: Lines) -> None:
    with serving(tmp_path, "--in-flight-max-mib", "1") as served:
        lines = sent._replace(content=frame(b'{"n":"%b"}' % (b"x" * (1 << 20))))
        answer = served.send(lines)
        assert (answer.status, answer.refusal.reason) == (503, "BUSY")
        assert answer.headers["retry-after"]
        assert served.send(sent).status == 200


def test_a_clock_of_next_year_and_a_newer_format(shared: Served) -> None:
    token = shared.token("ahead")
    ahead_us = time.time_ns() // 1000 + 366 * 86_400_000_000
    answer = shared.send(Lines("ahead", 0, frame(b'{"start_us":%d}' % ahead_us)), token=token)
    assert (answer.status, answer.refusal.reason) == (503, "CLOCK")
    newer = frame(b'{"type":"header","format":2}')
    answer = shared.send(Lines("newer", 0, newer), token=token)
    assert (answer.status, answer.refusal.reason) == (503, "NEWER")
    assert not (shared.home / "journal" / "ahead").exists()


def test_an_older_life_of_the_ledger_is_refused_by_who_saw_a_later(
    tmp_path: Path, sent: Lines
) -> None:
    with serving(tmp_path) as served:
        own = identity_of(served.home)
        answer = served.send(sent, genai_cost_epoch=str(own.epoch + 1))
        assert (answer.status, answer.refusal.reason) == (412, "FENCED")
        assert answer.refusal.metadata == {"epoch": str(own.epoch)}
        assert served.send(sent, genai_cost_epoch=str(own.epoch)).status == 200
    assert promote(served.home) == (own.id, own.epoch + 1)
    with serving(tmp_path) as later:
        answer = later.send(sent, genai_cost_epoch=str(own.epoch + 1))
        assert answer.status == 200
        assert answer.headers["genai-cost-epoch"] == str(own.epoch + 1)


def test_a_unix_socket_that_was_left_is_taken_over(tmp_path: Path, sent: Lines) -> None:
    address = f"unix://{tmp_path}/agent.sock"
    with serving(tmp_path, "--listen", address) as served:
        assert served.send(sent).status == 200
        os.kill(served.child.process.pid, signal.SIGKILL)
        served.child.process.wait()
    with serving(tmp_path, "--listen", address) as again:
        assert again.send(sent).status == 200
        assert (tmp_path / "agent.sock").stat().st_mode & 0o777 == 0o660
        assert again.child.stop() == 0
    assert not (tmp_path / "agent.sock").exists()


def test_a_sender_that_is_gone_for_good_has_left(tmp_path: Path) -> None:
    journalled(tmp_path / "there", 1, close=False)
    (path,) = (tmp_path / "there").glob("*.jsonl")
    start = frame(b'{"type":"start","id":"%b"}' % (b"ab" * 16))
    with serving(tmp_path) as served:
        token = served.token("node-7")
        content = path.read_bytes()
        assert served.send(Lines(path.stem, 0, content), token=token).status == 200
        heard = served.home / "journal" / "node-7" / "heard"
        os.utime(heard, (1, 1))
        (cover,) = _cli(served, "coverage", "--json")
        assert [one["sender"] for one in cover["silent_senders"]] == ["node-7"]
        assert _cli(served, "ledger", "senders", "left", "node-7", "--json") == [
            {"sender": "node-7", "finished": 1}
        ]
        (cover,) = _cli(served, "coverage", "--json")
        assert cover["silent_senders"] == []
        answer = served.send(Lines(path.stem, len(content), start), token=token)
        assert (answer.status, answer.refusal.reason) == (400, "DIFFERENT")


def test_a_full_disk_is_told_and_nothing_is_half_there(tmp_path: Path, sent: Lines) -> None:
    with serving(tmp_path, "--reserve-mib", str(1 << 40)) as served:
        answer = served.send(sent)
        assert (answer.status, answer.refusal.reason) == (503, "FULL")
        assert served.ask(None, "/readyz").status == 503
        assert served.ask(None, "/healthz").status == 200
        assert not (served.home / "journal" / "local").exists()


def test_other_paths_and_kinds(shared: Served) -> None:
    assert shared.ask(b"{}", "/v1/traces").status == 404
    assert shared.ask(b"{}", content_type="text/plain").status == 415
    connection = http.client.HTTPConnection(shared.at)
    connection.request("PUT", "/v1/logs", b"{}")
    assert connection.getresponse().status == 405
    connection.close()


def test_protobuf_and_grpc_are_the_same(tmp_path: Path, sent: Lines) -> None:
    grpc: Any = pytest.importorskip("grpc")
    service = _service()
    port = free_port()
    ends = list(line_ends(sent.content))
    with serving(tmp_path, "--listen-grpc", f"127.0.0.1:{port}") as served:
        first = _protobuf(sent._replace(content=sent.content[: ends[1]], finished=False))
        answer = served.ask(first.SerializeToString(), content_type=_PROTOBUF)
        assert (answer.status, answer.body) == (200, b"")
        behind = _protobuf(Lines(sent.segment, ends[2], sent.content[ends[2] :], finished=True))
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            export = channel.unary_unary(
                "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                request_serializer=service.ExportLogsServiceRequest.SerializeToString,
                response_deserializer=service.ExportLogsServiceResponse.FromString,
            )
            with pytest.raises(grpc.RpcError) as hole:
                export(behind, timeout=10)
            assert hole.value.code() is grpc.StatusCode.UNAVAILABLE
            trailing = dict(hole.value.trailing_metadata())
            assert b"RetryInfo" in trailing["grpc-status-details-bin"]
            assert export(_protobuf(sent), timeout=10) == service.ExportLogsServiceResponse()
        answer = served.ask(behind.SerializeToString(), content_type=_PROTOBUF)
        assert answer.status == 200
        other = _protobuf(sent)
        other.resource_logs[0].scope_logs[0].scope.name = "somebody else's"
        answer = served.ask(other.SerializeToString(), content_type=_PROTOBUF)
        said = service.ExportLogsServiceResponse.FromString(answer.body)
        assert (answer.status, said.partial_success.rejected_log_records) == (200, 1)
        wait_for_calls(served, 3)


def _protobuf(lines: Lines) -> Any:
    """The same request in protobuf, by its own library."""
    from google.protobuf import json_format

    mapping: Any = json_format
    return mapping.Parse(request_body([lines]), _service().ExportLogsServiceRequest())


def _service() -> Any:
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2

    return logs_service_pb2


def test_senders_need_a_certificate(tmp_path: Path, sent: Lines) -> None:
    own, stranger = made(), made()
    files = {"cert": own.certificate, "key": own.key, "other": stranger.certificate}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "other-key").write_bytes(stranger.key)
    context = ssl.create_default_context(cadata=own.certificate.decode())
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    tls = ("--tls-cert", str(tmp_path / "cert"), "--tls-key", str(tmp_path / "key"))
    with serving(tmp_path, *tls, "--tls-client-ca", str(tmp_path / "cert"), tls=context) as served:
        assert served.send(sent).status == 200
        wrong = ssl.create_default_context(cadata=own.certificate.decode())
        wrong.load_cert_chain(tmp_path / "other", tmp_path / "other-key")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            served._replace(tls=wrong).send(sent)
        with pytest.raises((OSError, http.client.HTTPException)):
            served._replace(tls=None).send(sent)
        assert served.send(sent).status == 200


def test_what_was_deleted_is_still_had(tmp_path: Path, sent: Lines) -> None:
    """A sender that asks whether its bytes are there is not sent back to the beginning, nor is a call booked twice."""
    with serving(tmp_path, "--retire") as served:
        assert served.send(sent).status == 200
        wait_for_calls(served, 3)
        segment = served.home / "journal" / "local" / f"{sent.segment}.jsonl"
        wait_until(lambda: not segment.exists(), "that it is deleted", 30, (served.child,))
        end = len(sent.content)
        assert served.send(Lines(sent.segment, end, b"")).status == 200
        assert served.send(sent).status == 200
        assert not segment.exists()
        answer = served.send(Lines("never-seen", end, b""))
        assert (answer.status, answer.refusal.reason) == (503, "HOLE")
        assert set(wait_for_calls(served, 3).values()) == {1}
