"""The thread that forwards, to a receiver in another process that may be killed, silent or choosy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otel_genai_cost.forwarding.daemon import Forwarding, sizes_of
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.journal.segment import Journal
from tests.certificates import made
from tests.forwarding.receivers import Running, running

_LONG_S = 30.0


def _to(url: str, **more: object) -> Destination:
    address = parse_address(url)
    assert address is not None
    return Destination(address, **more)  # type: ignore[arg-type]


class _Sent:
    """A journal that is sent."""

    def __init__(self, folder: Path, destination: Destination) -> None:
        self.journal = Journal([folder])
        self.forwarding = Forwarding(
            lambda: [folder], destination, own=lambda: tuple(self.journal.begun)
        )

    def write(self, count: int = 1) -> None:
        for n in range(count):
            self.journal.append({"n": n})

    def flush(self, timeout_s: float = _LONG_S) -> bool:
        return self.forwarding.wait(sizes_of(self.journal.begun), timeout_s)

    def is_there(self, receiver: Running) -> bool:
        written = {path.stem: path.read_bytes() for path in self.journal.begun}
        return receiver.kept() == written


Sending = Callable[[Path, Destination], _Sent]


@pytest.fixture
def sending() -> Iterator[Sending]:
    """Makes journals that are sent, as long as the test runs."""
    made_here: list[_Sent] = []

    def make(folder: Path, destination: Destination) -> _Sent:
        made_here.append(_Sent(folder, destination))
        return made_here[-1]

    yield make
    for one in made_here:
        one.forwarding.stop(_LONG_S)


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _LONG_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_what_is_written_arrives_without_being_asked_for(tmp_path: Path, sending: Sending) -> None:
    with running(tmp_path / "there") as receiver:
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.forwarding.start()
        sent.write(3)
        _until(lambda: sent.is_there(receiver))
        sent.write(3)
        _until(lambda: sent.is_there(receiver))
        sent.journal.close()
        _until(lambda: receiver.finished() == {sent.journal.begun[0].stem})


def test_over_a_socket_of_this_machine(tmp_path: Path, sending: Sending) -> None:
    with running(tmp_path / "there", str(tmp_path / "s")) as receiver:
        assert receiver.url.startswith("unix:///")
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.write(3)
        assert sent.flush()
        assert sent.is_there(receiver)


@pytest.mark.parametrize("mutual", [False, True])
def test_over_tls(tmp_path: Path, mutual: bool, sending: Sending) -> None:
    own, theirs = made(), made()
    for name, certificate in (("own", own), ("theirs", theirs)):
        (tmp_path / f"{name}.pem").write_bytes(certificate.certificate)
        (tmp_path / f"{name}.key").write_bytes(certificate.key)
    served = (str(tmp_path / "theirs.pem"), str(tmp_path / "theirs.key"))
    vouching = (str(tmp_path / "own.pem"),) if mutual else ()
    with running(tmp_path / "there", "0", *served, *vouching) as receiver:
        plain = _to(receiver.url, ca=tmp_path / "theirs.pem")
        sent = sending(tmp_path / "a", plain)
        sent.write()
        assert sent.flush(2 if mutual else _LONG_S) is not mutual
        known = plain._replace(cert=tmp_path / "own.pem", key=tmp_path / "own.key")
        other = sending(tmp_path / "b", known)
        other.write()
        assert other.flush()
        stranger = sending(tmp_path / "c", _to(receiver.url))
        stranger.write()
        assert not stranger.flush(1)


def test_a_token_is_read_again(tmp_path: Path, sending: Sending) -> None:
    (tmp_path / "token").write_text("old\n")
    with running(tmp_path / "there") as receiver:
        (receiver.folder / "token").write_text("new")
        sent = sending(tmp_path / "here", _to(receiver.url, token_file=tmp_path / "token"))
        sent.write()
        assert not sent.flush(1)
        (tmp_path / "token").write_text("new\n")
        assert sent.flush()


def test_a_proxy_of_the_environment_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sending: Sending
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with running(tmp_path / "there") as receiver:
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.write()
        assert sent.flush()


def test_whoever_waits_is_back_in_time_though_the_receiver_is_silent(
    tmp_path: Path, sending: Sending
) -> None:
    with running(tmp_path / "there") as receiver:
        receiver.answer("silence")
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.write()
        begun_s = time.monotonic()
        assert not sent.flush(0.3)
        assert time.monotonic() - begun_s < 5


def test_an_outage_and_a_lost_answer_lose_and_double_nothing(
    tmp_path: Path, sending: Sending
) -> None:
    with running(tmp_path / "there") as receiver:
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.write(2)
        assert sent.flush()
        receiver.kill()
        sent.write(2)
        assert not sent.flush(0.5)
        receiver.start()
        assert sent.flush()
        receiver.answer("nothing")
        sent.write(2)
        assert not sent.flush(0.5)
        receiver.answer("")
        assert sent.flush()
        for refusal in ("BUSY", "FULL", "UNAUTHENTICATED"):
            receiver.answer(refusal)
            sent.write()
            assert not sent.flush(0.3)
        receiver.answer("")
        assert sent.flush()
        assert sent.is_there(receiver)


def test_a_receiver_killed_again_and_again_has_everything(tmp_path: Path, sending: Sending) -> None:
    with running(tmp_path / "there") as receiver:
        sent = sending(tmp_path / "here", _to(receiver.url))
        sent.forwarding.start()
        for _ in range(8):
            sent.write(50)
            receiver.kill()
            receiver.start()
        sent.journal.close()
        assert sent.flush()
        assert sent.is_there(receiver)


_WRITER = """
import os, signal, sys
from pathlib import Path
from otel_genai_cost.journal.segment import Journal
journal = Journal([Path(sys.argv[1])])
for n in range(100): journal.append({"n": n})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_taken_over(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for _ in range(3):
        subprocess.run([sys.executable, "-c", _WRITER, str(here)], check=False)
    orphans = {path.stem: path.read_bytes() for path in here.glob("*.jsonl")}
    assert len(orphans) == 3
    with running(tmp_path / "there") as receiver:
        forwarding = Forwarding(lambda: [here], _to(receiver.url))
        assert forwarding.drain(_LONG_S)
        assert receiver.kept() == orphans
        _until(lambda: receiver.finished() == set(orphans))
        _until(lambda: len([one for one in (here / "ingested").iterdir() if one.is_file()]) == 3)
        forwarding.stop(_LONG_S)


_FORKING = """
import os, sys, time
from pathlib import Path
from otel_genai_cost.forwarding.daemon import Forwarding, sizes_of
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.journal.segment import Journal
folder = Path(sys.argv[1])
way = None
journal = Journal([folder], prepare=lambda folder: way.start())
way = Forwarding(lambda: [folder], Destination(parse_address(sys.argv[2])), own=lambda: tuple(journal.begun))
def flushed():
    return way.wait(sizes_of(journal.begun), 30)
def child():
    journal.append({"n": 1})
    return 7 if len(journal.begun) == 1 and flushed() else 1
"""


@pytest.mark.parametrize("hooks", ["os", "uwsgi"])
def test_a_forked_child_sends_its_own(tmp_path: Path, hooks: str) -> None:
    """Beside a thread of its parent, and where Python's hooks do not run: there no other thread may be, since in such a
    child it would never give the interpreter's lock back."""
    fork = {
        "os": 'journal.append({"n": 0}); assert flushed(); pid = os.fork()',
        "uwsgi": "import ctypes; pid = ctypes.PyDLL(None).fork()",
    }[hooks]
    program = f"""
{_FORKING}
{fork}
if pid == 0:
    os._exit(child())
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
journal.append({{"n": 2}})
assert flushed()
"""
    with running(tmp_path / "there") as receiver:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "here"), receiver.url],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.stdout, done.stderr) == ("7\n", "")
        written = {path.stem: path.read_bytes() for path in (tmp_path / "here").glob("*.jsonl")}
        assert receiver.kept() == written
        assert len(written) == 2


def test_memory_and_threads_are_bounded_by_a_long_backlog(tmp_path: Path) -> None:
    here = tmp_path / "here"
    journal = Journal([here])
    for _ in range(4_000):
        journal.append({"text": "x" * 4_000})
    journal.close()
    with running(tmp_path / "there") as receiver:
        forwarding = Forwarding(lambda: [here], _to(receiver.url), request_bytes=1 << 18)
        assert forwarding.drain(_LONG_S)
        assert receiver.kept() == {path.stem: path.read_bytes() for path in journal.begun}
        forwarding.stop(_LONG_S)
    assert os.getpid()
