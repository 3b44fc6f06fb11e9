"""`alerts`: channels are set all or none, notices and letters are listed, and a process delivers them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.alerts.serving import delivery_lock
from otel_genai_cost.cli import _run
from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.projections.notices import notice_event
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.limits.notice import Notice, notice_id
from tests.alerts.receiver import Receiver, receiving
from tests.cli.command import PROGRAM
from tests.cli.program import rows_of

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

Capture = pytest.CaptureFixture[str]

_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def call(*arguments: str) -> int:
    """The exit code of a command line."""
    return _run(list(arguments))


def _at(home: Path, *arguments: str) -> tuple[str, ...]:
    return ("alerts", *arguments, "--ledger", str(home))


def _set(home: Path, url: str, *more: str) -> int:
    return call(*_at(home, "set", "ops", "--url", url, "--secret", _SECRET, *more))


def _notice(key: str = "b|80") -> Notice:
    facts = {"budget": "b", "percent": 80, "period_to_us": 1 << 61}
    return Notice("crossed", key, "acme", "team", time.time_ns() // 1000, facts)


def test_a_notice_goes_out_and_is_acknowledged(tmp_path: Path, capsys: Capture) -> None:
    with receiving() as receiver:
        assert _set(tmp_path, receiver.url) == 0
        decide(tmp_path, notice_event(_notice()))
        assert call(*_at(tmp_path, "list", "waiting")) == 0
        assert call(*_at(tmp_path, "serve", "--once")) == 0
        assert [came.id for came in receiver.came] == [notice_id("b|80", "ops")]
        assert call(*_at(tmp_path, "serve", "--once")) == 0
        assert len(receiver.came) == 1
    capsys.readouterr()
    (row,) = rows_of(capsys, *_at(tmp_path, "list", "notices"))
    assert (row["title"], row["acknowledged_by"]) == ("Budget b of acme is at 80 %", None)
    assert call(*_at(tmp_path, "acknowledge", row["id"][:8], "--by", "ann")) == 0
    (tmp_path / LEDGER_FILE).unlink()
    capsys.readouterr()
    (row,) = rows_of(capsys, *_at(tmp_path, "list", "notices"))
    assert row["acknowledged_by"] == "ann"
    (channel,) = rows_of(capsys, *_at(tmp_path, "list"))
    assert (channel["channel"], channel["delivered"], channel["waiting"]) == ("ops", 1, 0)


def test_what_was_given_up_is_listed_and_sent_again(tmp_path: Path, capsys: Capture) -> None:
    with receiving(lambda _: (410, {})) as receiver:
        _set(tmp_path, receiver.url)
        decide(tmp_path, notice_event(_notice()))
        assert call(*_at(tmp_path, "list", "waiting")) == 0
        assert call(*_at(tmp_path, "serve", "--once")) == 1
        capsys.readouterr()
        (letter,) = rows_of(capsys, *_at(tmp_path, "list", "dead"))
        assert "status 410" in letter["error"]
        receiver.answer = lambda _: (204, {})
        _set(tmp_path, receiver.url)
        assert call(*_at(tmp_path, "retry", letter["id"][:8])) == 0
        assert call(*_at(tmp_path, "serve", "--once")) == 0
        assert call(*_at(tmp_path, "retry", "--channel", "ops")) == 2, "nothing is dead"
    assert [came.id for came in receiver.came] == [letter["id"]] * 2


def test_what_a_clock_that_was_ahead_gave_up_is_sent_again(tmp_path: Path, capsys: Capture) -> None:
    with receiving() as receiver:
        _set(tmp_path, receiver.url)
        decide(tmp_path, notice_event(_notice()))
        (letter,) = rows_of(capsys, *_at(tmp_path, "list", "waiting"))
        in_a_year_us = time.time_ns() // 1000 + 365 * 86_400_000_000
        dead = {"type": "notices_dead", "ids": [letter["id"]], "at_us": in_a_year_us}
        decide(tmp_path, {**dead, "error": "status 500"})
        assert call(*_at(tmp_path, "retry", "--channel", "ops")) == 0
        assert call(*_at(tmp_path, "serve", "--once")) == 0
    assert [came.id for came in receiver.came] == [letter["id"]]


def test_secrets_are_shown_nowhere(tmp_path: Path, capsys: Capture) -> None:
    _set(tmp_path, "https://hooks.example.com/very-secret-path?token=1")
    url = "slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC"
    assert call(*_at(tmp_path, "set", "chat", "--kind", "apprise", "--url", url)) == 0
    assert call(*_at(tmp_path, "show", "ops")) == 0
    assert call(*_at(tmp_path, "show", "chat")) == 0
    assert call(*_at(tmp_path, "list")) == 0
    shown = "".join(capsys.readouterr())
    assert "hooks.example.com" in shown
    assert not any(one in shown for one in (_SECRET, "very-secret", "token=1", "CCCC", "BBBB"))


def test_a_broken_file_sets_nothing(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "alerts.toml"
    good = (
        f'[[channel]]\nname = "a"\nkind = "webhook"\nurl = "http://x/"\nsecrets = ["{_SECRET}"]\n'
    )
    file.write_text(good + '[[channel]]\nname = "b"\nkind = "webhook"\nurl = "x"\nsecrets = []\n')
    assert call(*_at(tmp_path, "set", "--file", str(file))) == 2
    assert len(capsys.readouterr().err.splitlines()[0].split("|")) >= 1
    file.write_text(good)
    assert call(*_at(tmp_path, "set", "--file", str(file))) == 0
    capsys.readouterr()
    assert [row["channel"] for row in rows_of(capsys, *_at(tmp_path, "list"))] == ["a"]
    assert call(*_at(tmp_path, "remove", "a")) == 0
    capsys.readouterr()
    assert rows_of(capsys, *_at(tmp_path, "list")) == []


def test_a_test_says_what_came_of_it(tmp_path: Path, capsys: Capture) -> None:
    with receiving() as receiver:
        _set(tmp_path, receiver.url)
        assert call(*_at(tmp_path, "test", "ops")) == 0
        receiver.answer = lambda _: (500, {})
        assert call(*_at(tmp_path, "test", "ops")) == 1
        assert json.loads(receiver.came[0].body)["type"] == "genai_cost.test"
    assert "status 500" in capsys.readouterr().err


def test_what_cannot_be_done_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    _set(tmp_path, "http://127.0.0.1:9/")
    for arguments in (
        ("test", "nobody"),
        ("show", "nobody"),
        ("acknowledge", "1234"),
        ("acknowledge", "12345678"),
        ("retry",),
        ("retry", "12345678"),
        ("set", "ops", "--file", "x.toml"),
        ("set", "ops"),
    ):
        capsys.readouterr()
        assert call(*_at(tmp_path, *arguments)) == 2, arguments
        assert capsys.readouterr().err


def test_while_another_process_ships_it_takes_effect_when_that_reads_it(
    tmp_path: Path, capsys: Capture
) -> None:
    _set(tmp_path, "http://127.0.0.1:9/")
    with writer_lock(tmp_path):
        assert call(*_at(tmp_path, "remove", "ops")) == 0
    assert "within a second" in capsys.readouterr().err
    assert rows_of(capsys, *_at(tmp_path, "list")) == []


def test_one_process_delivers(tmp_path: Path, capsys: Capture) -> None:
    _set(tmp_path, "http://127.0.0.1:9/")
    with delivery_lock(tmp_path):
        assert call(*_at(tmp_path, "serve", "--once")) == 2
    assert "one is enough" in capsys.readouterr().err


def test_a_process_that_is_killed_goes_on_where_it_was_and_one_that_is_asked_ends(
    tmp_path: Path,
) -> None:
    with receiving() as receiver:
        _set(tmp_path, receiver.url)
        decide(tmp_path, notice_event(_notice("one")))
        with subprocess.Popen([PROGRAM, *_at(tmp_path, "ship", "--follow")[1:]]) as shipper:
            first = _serving(tmp_path)
            _until(lambda: len(receiver.came) == 1)
            first.kill()
            first.wait()
            decide(tmp_path, notice_event(_notice("two")))
            second = _serving(tmp_path)
            _until(lambda: _ids(receiver) == {notice_id(key, "ops") for key in ("one", "two")})
            second.send_signal(signal.SIGTERM)
            assert second.wait(10) == 0
            shipper.terminate()


def _serving(home: Path) -> subprocess.Popen[bytes]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.Popen([PROGRAM, *_at(home, "serve")], env=environment)


def _ids(receiver: Receiver) -> set[str]:
    return {came.id for came in receiver.came}


def _until(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end_s, "it never came"
        time.sleep(0.05)
