"""`genai-cost agent`, as a process: between applications and a ledger, or beside a pod's journal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.forwarding.wire import Lines
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import to_record
from tests.cli.command import PROGRAM
from tests.demo.processes import Child, Children, children, wait_until
from tests.intake.served import (
    Served,
    agent_begun,
    begun,
    calls_in,
    environment,
    journalled,
    posted,
    wait_for_calls,
)
from tests.ledger.build import observe
from tests.queues.brokers import free_port

_NOWHERE: Final = "http://127.0.0.1:9"
_POD_S: Final = 10
"""What a pod has between SIGTERM and SIGKILL at least."""


@pytest.fixture
def started() -> Iterator[Children]:
    with children() as found:
        yield found


def _sidecar(started: Children, folder: Path, journal: Path, to: str) -> Child:
    return started.start(
        "agent",
        [PROGRAM, "agent", "--to", to, "--journal", str(journal)],
        folder / f"agent-{len(started)}.log",
        environment(folder),
    )


def _took_s(agent: Child) -> float:
    """How long it took to end, by its own clock: what this machine takes to run an interpreter is not its doing."""
    return float(agent.find(r"(\d+\.\d) s after the end was asked for"))


def _url(served: Served) -> str:
    return f"http://{served.at}"


def test_what_an_agent_takes_goes_on(tmp_path: Path, started: Children) -> None:
    ledger = begun(started, tmp_path)
    socket = f"unix://{tmp_path}/agent.sock"
    agent = agent_begun(started, tmp_path, _url(ledger), "--listen", socket)
    journalled(tmp_path / "there", 1, 2, 3)
    assert agent.send(posted(tmp_path / "there")).status == 200
    assert set(wait_for_calls(ledger, 3).values()) == {1}
    wait_until(lambda: not agent.metrics()["genai_cost_unshipped_bytes"], "that none is left", 20)
    assert agent.child.stop() == 0
    assert "everything has gone on" in agent.child.output()


def test_node_is_acknowledged_only_once_the_ledger_has_it(
    tmp_path: Path, started: Children
) -> None:
    agent = agent_begun(started, tmp_path, _NOWHERE)
    journalled(tmp_path / "there", 1, 2, 3)
    lines = posted(tmp_path / "there")
    assert agent.send(lines).status == 200
    answer = agent.send(lines, genai_cost_durability="node")
    assert (answer.status, answer.refusal.reason) == (503, "BUSY")
    figures = agent.metrics()
    assert figures["genai_cost_unshipped_bytes"] == len(lines.content)
    assert figures["genai_cost_unshipped_seconds"] > 0
    assert figures["genai_cost_unshipped_usd"] == pytest.approx(3 * 0.0035)
    assert agent.child.stop(30) == 1
    assert "were not acknowledged and stay in" in agent.child.output()

    ledger = begun(started, tmp_path)
    again = agent_begun(started, tmp_path, _url(ledger))
    assert again.send(lines, genai_cost_durability="node").status == 200
    (kept,) = segments(ledger.home / "journal" / "local")
    assert kept.read_bytes() == lines.content
    assert again.metrics()["genai_cost_unshipped_usd"] == 0


def test_a_sidecar_sends_what_others_write_and_drains(tmp_path: Path, started: Children) -> None:
    ledger = begun(started, tmp_path)
    journal = tmp_path / "emptydir"
    sidecar = _sidecar(started, tmp_path, journal, _url(ledger))
    sidecar.find("waiting for")
    writer = journalled(journal, 1, 2, close=False)
    wait_for_calls(ledger, 2)
    writer.append(b"{}")
    writer.close()
    assert sidecar.stop(60) == 0
    assert _took_s(sidecar) < _POD_S
    (kept,) = segments(ledger.home / "journal" / "local")
    (own,) = segments(journal)
    assert kept.read_bytes() == own.read_bytes()


def test_a_sidecar_that_is_stopped_before_it_saw_the_journal_sends_it(
    tmp_path: Path, started: Children
) -> None:
    ledger = begun(started, tmp_path)
    journal = tmp_path / "emptydir"
    sidecar = _sidecar(started, tmp_path, journal, _url(ledger))
    sidecar.find("waiting for")
    sidecar.process.send_signal(signal.SIGSTOP)
    journalled(journal, 1, 2)
    sidecar.process.send_signal(signal.SIGTERM)
    sidecar.process.send_signal(signal.SIGCONT)
    assert sidecar.wait(30) == 0
    assert "everything has gone on" in sidecar.output()
    assert set(wait_for_calls(ledger, 2).values()) == {1}


def test_a_sidecar_that_reaches_nobody_says_what_is_left(tmp_path: Path, started: Children) -> None:
    journalled(tmp_path / "emptydir", 1, 2)
    sidecar = _sidecar(started, tmp_path, tmp_path / "emptydir", _NOWHERE)
    sidecar.find("on to http")
    assert sidecar.stop(60) == 1
    assert 9 <= _took_s(sidecar) < _POD_S
    size = sum(path.stat().st_size for path in segments(tmp_path / "emptydir"))
    assert f"{size:,} bytes of 1 segment(s)" in sidecar.output()


def test_two_agents_on_one_folder(tmp_path: Path, started: Children) -> None:
    (tmp_path / "emptydir").mkdir()
    first = _sidecar(started, tmp_path, tmp_path / "emptydir", _NOWHERE)
    first.find("on to http")
    second = _sidecar(started, tmp_path, tmp_path / "emptydir", _NOWHERE)
    assert second.wait(30) == 2
    assert "give each its own folder" in second.output()
    agent = agent_begun(started, tmp_path, _NOWHERE)
    done = subprocess.run(
        [
            PROGRAM,
            "agent",
            "--to",
            _NOWHERE,
            "--folder",
            str(agent.home),
            "--listen",
            "127.0.0.1:0",
        ],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2 and "give this agent a folder of its own" in done.stderr


def test_an_agent_with_a_full_folder_refuses_and_loses_nothing(
    tmp_path: Path, started: Children
) -> None:
    agent = agent_begun(started, tmp_path, _NOWHERE, "--limit-mib", "1")
    line = frame(b'{"pad":"%b"}' % (b"x" * 60_000))
    taken = 0
    while (answer := agent.send(Lines(f"{taken:016d}-aa", 0, line, finished=True))).status == 200:
        taken += 1
    assert (answer.status, answer.refusal.reason) == (503, "FULL")
    assert 10 < taken < 18
    assert len(segments(agent.home / "journal" / "local")) == taken
    ledger = begun(started, tmp_path)
    os.kill(agent.child.process.pid, signal.SIGKILL)
    agent.child.process.wait()
    again = agent_begun(started, tmp_path, _url(ledger), "--limit-mib", "1")

    def room() -> bool:
        return again.send(Lines(f"{taken:016d}-aa", 0, line, finished=True)).status == 200

    wait_until(room, "room", 60, (again.child, ledger.child))
    wait_until(
        lambda: len(segments(ledger.home / "journal" / "local")) == taken + 1,
        "that all of it has come",
        60,
        (again.child, ledger.child),
    )
    # what made room here is known here, and not taken once more
    assert not (again.home / "journal" / "local" / f"{0:016d}-aa.jsonl").exists()
    assert again.send(Lines(f"{0:016d}-aa", len(line), b"")).status == 200
    assert again.send(Lines(f"{0:016d}-aa", 0, line, finished=True)).status == 200
    assert not (again.home / "journal" / "local" / f"{0:016d}-aa.jsonl").exists()


def test_options_that_exclude_each_other(tmp_path: Path) -> None:
    command = [PROGRAM, "agent", "--to", _NOWHERE, "--journal", str(tmp_path), "--listen", "x:1"]
    done = subprocess.run(
        command, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert calls_in(tmp_path) == {}


def test_a_segment_of_tomorrow_holds_up_no_other(tmp_path: Path, started: Children) -> None:
    ledger = begun(started, tmp_path)
    journal = tmp_path / "emptydir"
    journal.mkdir()
    ahead_us = time.time_ns() // 1000 + 366 * 86_400_000_000
    (journal / "0000000000000001-00aa.jsonl").write_bytes(frame(b'{"start_us":%d}' % ahead_us))
    (journal / "0000000000000002-00aa.jsonl").write_bytes(
        frame(b'{"type":"header","format":2,"segment":"0000000000000002-00aa"}')
    )
    journalled(journal, 1, 2)
    sidecar = _sidecar(started, tmp_path, journal, _url(ledger))
    assert set(wait_for_calls(ledger, 2).values()) == {1}
    sidecar.find("set the clock")
    sidecar.find("upgrade otel-genai-cost here first")
    assert len(segments(journal)) == 3
    assert sidecar.stop(30) == 1
    assert "2 segment(s)" in sidecar.output()


def test_a_volume_that_comes_back_old_gets_what_it_lacks(tmp_path: Path, started: Children) -> None:
    """The ledger's, while the journal is still there: both say so, and nothing is missing or doubled."""
    port = free_port()
    listen = ("--listen", f"127.0.0.1:{port}")
    first = begun(started, tmp_path, *listen)
    journal = journalled(tmp_path / "emptydir", 1, 2, close=False)
    sidecar = _sidecar(started, tmp_path, tmp_path / "emptydir", _url(first))
    wait_for_calls(first, 2)
    assert first.child.stop() == 0
    shutil.copytree(first.home, tmp_path / "old")

    second = begun(started, tmp_path, *listen)
    journal.append(to_record(observe(3, trace=3)))
    wait_for_calls(second, 3)
    assert second.child.stop() == 0
    shutil.rmtree(second.home)
    (tmp_path / "old").rename(second.home)

    third = begun(started, tmp_path, *listen)
    sidecar.find("its volume came back old", 120)
    third.child.find("refused of sender local: HOLE")
    assert set(wait_for_calls(third, 3).values()) == {1}
    journal.close()
    assert sidecar.stop(30) == 0
    (kept,) = segments(third.home / "journal" / "local")
    (own,) = segments(tmp_path / "emptydir")
    assert kept.read_bytes() == own.read_bytes()
