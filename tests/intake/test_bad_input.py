"""What bad input gets, from a ledger that runs: a refusal that says what to do, and nothing lost or doubled by it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from otel_genai_cost.forwarding.wire import FORMAT, Lines, request_body
from otel_genai_cost.journal.open_segment import frame
from tests.cli.command import PROGRAM, run
from tests.demo.processes import children
from tests.intake.served import (
    Answer,
    Served,
    begun,
    environment,
    journalled,
    packed,
    posted,
    serving,
    wait_for_calls,
)

_YEAR_US = 366 * 86_400_000_000


class _Ledger(NamedTuple):
    """One that runs, a segment that it has, and whose token that is."""

    served: Served
    sent: Lines
    token: str
    rogue: str

    def send(self, *parts: Lines) -> Answer:
        return self.served.send(*parts, token=self.token)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Ledger]:
    folder = tmp_path_factory.mktemp("bad")
    journalled(folder / "there", 1, 2, 3)
    with serving(folder) as served:
        made = _Ledger(
            served, posted(folder / "there"), served.token("shop"), served.token("rogue")
        )
        assert made.send(made.sent).status == 200
        wait_for_calls(served, 3)
        yield made


def _another_senders(ledger: _Ledger) -> Answer:
    return ledger.served.send(ledger.sent, token=ledger.rogue)


def _no_token(ledger: _Ledger) -> Answer:
    return ledger.served.send(ledger.sent, token="gct_none_none")


def _next_year(ledger: _Ledger) -> Answer:
    line = frame(b'{"start_us":%d}' % (time.time_ns() // 1000 + _YEAR_US))
    return ledger.send(Lines("ahead", 0, line))


def _newer_segment(ledger: _Ledger) -> Answer:
    return ledger.send(Lines("newer", 0, frame(b'{"type":"header","format":2}')))


def _newer_wire(ledger: _Ledger) -> Answer:
    body = request_body([ledger.sent]).replace(
        f'"version":"{FORMAT}"'.encode(), f'"version":"{int(FORMAT) + 1}"'.encode()
    )
    return ledger.served.ask(body, authorization=f"Bearer {ledger.token}")


def _large(ledger: _Ledger) -> Answer:
    body = request_body([Lines("large", 0, b"x" * (48 << 20))])  # in base64 it is 64 MiB
    return ledger.served.ask(body, authorization=f"Bearer {ledger.token}")


def _large_unpacked(ledger: _Ledger) -> Answer:
    body = packed(request_body([Lines("large", 0, b"x" * (48 << 20))]))
    authorization = f"Bearer {ledger.token}"
    return ledger.served.ask(body, content_encoding="gzip", authorization=authorization)


def _other_bytes(ledger: _Ledger) -> Answer:
    content = ledger.sent.content.splitlines(keepends=True)
    other = content[0] + frame(b'{"n":"other"}') + b"".join(content[2:])
    return ledger.send(ledger.sent._replace(content=other))


def _old_life(ledger: _Ledger) -> Answer:
    return ledger.served.send(ledger.sent, token=ledger.token, genai_cost_epoch="99")


@pytest.mark.parametrize(
    ("ask", "status", "reason", "remedy"),
    [
        (_another_senders, 403, "FORBIDDEN", "send it with the token that it was begun with"),
        (_no_token, 401, "UNAUTHENTICATED", "genai-cost ledger senders add NAME"),
        (_next_year, 503, "CLOCK", "set the clock of its sender"),
        (_newer_segment, 503, "NEWER", "upgrade otel-genai-cost here first"),
        (_newer_wire, 503, "NEWER", "upgrade otel-genai-cost here first"),
        (_large, 413, "TOO_LARGE", "send less at once"),
        (_large_unpacked, 413, "TOO_LARGE", "send less at once"),
        (_other_bytes, 400, "DIFFERENT", "genai-cost journal verify"),
        (_old_life, 412, "FENCED", "stop this one"),
    ],
)
def test_it_is_refused_with_what_to_do(
    ledger: _Ledger, ask: object, status: int, reason: str, remedy: str
) -> None:
    was = _folders(ledger)
    answer: Answer = ask(ledger)  # type: ignore[operator]
    assert (answer.status, answer.refusal.reason) == (status, reason)
    assert remedy in answer.refusal.message
    assert _folders(ledger) == was
    assert ledger.send(ledger.sent).status == 200
    assert set(wait_for_calls(ledger.served, 3).values()) == {1}


def test_a_batch_that_is_replayed_changes_nothing(ledger: _Ledger) -> None:
    """Whole, in parts, from behind, and under the name of another segment's end."""
    was, content = _folders(ledger), ledger.sent.content
    ends = [at + 1 for at, byte in enumerate(content) if byte == 10]
    parts = [
        Lines(ledger.sent.segment, start, content[start:end])
        for start, end in zip([0, *ends], ends, strict=False)
    ]
    for one in (parts, [*reversed(parts)], [ledger.sent] * 3):
        for part in one:
            assert ledger.send(part).status == 200
    assert _folders(ledger) == was
    assert set(wait_for_calls(ledger.served, 3).values()) == {1}


def _folders(ledger: _Ledger) -> dict[str, bytes]:
    """Every segment there is."""
    journal = ledger.served.home / "journal"
    return {str(path): path.read_bytes() for path in journal.glob("*/*.jsonl")}


def test_two_agents_of_one_node_at_one_socket(tmp_path: Path) -> None:
    """The second has a folder of its own, and the first's socket: it would take what is meant for the other."""
    listen = f"unix://{tmp_path}/agent.sock"
    with children() as started:
        ledger = begun(started, tmp_path)
        agent = ("agent", "--to", f"http://{ledger.at}", "--listen", listen)
        first = started.start(
            "agent",
            [PROGRAM, *agent, "--folder", str(tmp_path / "first")],
            tmp_path / "agent.log",
            environment(tmp_path),
        )
        first.find("on to http")
        done = run(*agent, "--folder", str(tmp_path / "second"))
        assert done.returncode == 2
        assert "a socket in a folder of ours" in done.stderr.splitlines()[-1]
        assert Served(first, tmp_path, listen).ask(None, "/readyz").status == 200


def test_half_a_backup_is_served_to_nobody(tmp_path: Path) -> None:
    home, saved = tmp_path / "home", tmp_path / "saved"
    journalled(home / "journal", 1)
    assert run("ledger", "backup", str(saved), "--ledger", str(home)).returncode == 0
    (home / "restoring.json").write_text(f'{{"source": "{saved}"}}')
    for command in (("ledger", "serve"), ("ship",), ("charges", "--json"), ("ledger", "backup")):
        more = (str(tmp_path / "more"),) if command == ("ledger", "backup") else ()
        done = run(*command, *more, "--ledger", str(home))
        assert done.returncode == 2
        assert f"genai-cost ledger restore {saved}" in done.stderr
    again = run("ledger", "restore", str(saved), "--ledger", str(home))
    assert again.returncode == 0
    assert run("ship", "--drain", "--ledger", str(home)).returncode == 0
