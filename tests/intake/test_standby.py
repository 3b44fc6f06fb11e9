"""`genai-cost ledger standby`, `promote` and `verify`, as somebody runs them when a machine is gone."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from otel_genai_cost.forwarding.wire import Lines
from otel_genai_cost.ledger.storage.identity import identity_of
from tests.cli.command import PROGRAM, rows, run
from tests.demo.processes import Child, children, wait_until
from tests.intake.served import Served, begun, environment, journalled, posted, wait_for_calls
from tests.queues.brokers import free_port

_BACKUPS = "backups"


def _sent(folder: Path, *spans: int) -> Lines:
    """A whole segment with a call for each span."""
    journalled(folder, *spans)
    return posted(folder)


def test_a_standby_is_promoted_and_senders_turn_to_it(tmp_path: Path) -> None:
    backups, port = tmp_path / _BACKUPS, free_port()
    backups.mkdir()
    first, lacking = _sent(tmp_path / "a", 1, 2), _sent(tmp_path / "b", 3, 4, 5)
    with children() as started:
        old = begun(started, tmp_path / "old")
        token = old.token("checkout")
        assert old.send(first, token=token).status == 200
        wait_for_calls(old, 2)
        _ledger(old.home, "backup", str(backups))
        standby = _standing_by(started, tmp_path, backups, port)
        assert old.send(lacking, token=token).status == 200  # which no backup has
        wait_for_calls(old, 5)
        os.kill(old.child.process.pid, signal.SIGKILL)
        (taken,) = rows(
            "ledger", "promote", "--json", "--ledger", str(tmp_path / "copy"), env=_env(tmp_path)
        )
        was = identity_of(old.home)
        assert (taken["ledger"], taken["seq"]) == (was.id, 2)
        assert taken["epoch"] > was.epoch
        new = Served(standby, tmp_path / "copy", standby.find(r"journals at http://(\S+?)/v1"))
        seen = {"genai_cost_epoch": str(was.epoch), "genai_cost_ledger": was.id}
        assert new.send(first).refusal.reason == "UNAUTHENTICATED"  # tokens came along
        asked = Lines(first.segment, len(first.content), b"", finished=True)
        assert new.send(asked, token=token, **seen).status == 200  # it is in the backup
        asked = Lines(lacking.segment, len(lacking.content), b"", finished=True)
        hole = new.send(asked, token=token, **seen)
        assert (hole.refusal.reason, hole.refusal.metadata["have"]) in (("HOLE", "0"), (None, None))
        assert new.send(lacking, token=token, **seen).status == 200
        assert len(wait_for_calls(new, 5)) == 5
        (found,) = rows("coverage", "--json", "--ledger", str(new.home), env=_env(tmp_path))
        assert (found["gaps"], found["unfinished"]) == (0, 0)
        assert standby.stop(30) == 0
        again = _standing_by(started, tmp_path, backups, port, "is the ledger")  # as a pod does it
        again.find(r"receiving journals at")
        assert new.send(lacking, token=token).status == 200
        _old_is_refused(started, tmp_path, token, lacking, taken)


def _old_is_refused(
    started: list[Child], folder: Path, token: str, sent: Lines, taken: dict[str, Any]
) -> None:
    """By whoever has seen the new one, and by the backups."""
    back = begun(started, folder / "old")  # type: ignore[arg-type]
    seen = {"genai_cost_epoch": str(taken["epoch"]), "genai_cost_ledger": str(taken["ledger"])}
    answer = back.send(sent, token=token, **seen)
    assert (answer.status, answer.refusal.reason) == (412, "FENCED")
    assert "another one has taken its place; stop this one" in answer.refusal.message
    done = run("ledger", "backup", str(folder / _BACKUPS), "--ledger", str(back.home))
    assert done.returncode == 2
    assert f"ledger standby {folder / _BACKUPS} --ledger {back.home} --replace" in done.stderr


def test_a_ledger_backs_itself_up_and_ends_once_another_has_taken_its_place(tmp_path: Path) -> None:
    backups = tmp_path / _BACKUPS
    backups.mkdir()
    schedule = ("--backups", str(backups), "--backup-every", "0.01", "--backups-kept", "2")
    with children() as started:
        old = begun(started, tmp_path / "old", *schedule)
        assert old.send(_sent(tmp_path / "a", 1, 2)).status == 200
        wait_for_calls(old, 2)
        seen = set[Path]()

        def backed_up() -> bool:
            seen.update(backups.glob("ledger-*.tar.gz"))
            return len(seen) >= 4

        wait_until(backed_up, "four backups", 60, (old.child,))
        assert len(list(backups.glob("ledger-*"))) <= 3  # one of them while another is deleted
        assert old.metrics()["genai_cost_ledger_backup_age_seconds"] < 60
        assert _of(tmp_path / "copy", "standby", str(backups), "--once").returncode == 0
        assert _of(tmp_path / "copy", "promote").returncode == 0
        assert old.child.wait(60) == 2
        assert "has taken the place of the one in" in old.child.output().splitlines()[-1]
        again = _of(old.home, "serve", *schedule, "--listen", "127.0.0.1:0")
        assert again.returncode == 2
        assert "ledger standby" in again.stderr and len(again.stderr.splitlines()) == 1


def test_promotion_without_a_process_that_follows(tmp_path: Path) -> None:
    backups, copy = tmp_path / _BACKUPS, tmp_path / "copy"
    backups.mkdir()
    home = tmp_path / "home"
    journalled(home / "journal", 1, 2)
    assert run("ship", "--drain", "--ledger", str(home)).returncode == 0
    none = _of(copy, "standby", str(backups), "--once")
    assert (none.returncode, "no backup" in none.stderr) == (2, True)
    _ledger(home, "backup", str(backups))
    assert _of(copy, "standby", str(backups), "--once").returncode == 0
    assert len(rows("charges", "--json", "--ledger", str(copy))) == 2
    grant = ("credits", "grant", "--tenant", "acme", "--amount", "5", "--ref", "order 1")
    backup = ("ledger", "backup", str(tmp_path / "b"))
    tokens = ("ledger", "senders", "add", "checkout"), ("gate", "tokens", "add", "--team")
    for command in (("ship",), ("ledger", "serve"), backup, grant, *tokens):
        done = run(*command, "--ledger", str(copy))
        assert done.returncode == 2 and "ledger promote --ledger" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    done = _of(copy, "promote")
    assert done.returncode == 0 and "now start it: `genai-cost ledger serve" in done.stderr
    again = _of(copy, "promote")
    assert (again.returncode, "does not stand by" in again.stderr) == (2, True)
    journalled(copy / "journal", 3)
    (report,) = rows("report", "--json", "--ledger", str(copy))
    assert report["calls"] == 3
    assert rows("credits", "list", "--json", "--ledger", str(copy)) == []  # that was refused


def test_the_same_command_once_more_never_unmakes_a_ledger(tmp_path: Path) -> None:
    """As a pod or a timer starts it: an old ledger that stands by in its turn has `--replace` in it for good."""
    backups, home, other = (tmp_path / name for name in (_BACKUPS, "home", "other"))
    backups.mkdir()
    journalled(home / "journal", 1, 2)
    _ledger(home, "backup", str(backups))
    identity_of(home)
    _ledger(home, "backup", str(backups))
    standby = ("standby", str(backups), "--replace")
    assert _of(home, *standby, "--once").returncode == 0
    assert _of(home, "promote").returncode == 0
    aside = set(home.glob("*.before-*"))
    assert aside
    once = _of(home, *standby, "--once", "--listen", "here")
    assert (once.returncode, "was promoted, and is the ledger" in once.stderr) == (0, True)
    again = _of(home, *standby, "--listen", "here")  # it serves, where it could
    assert (again.returncode, "the address cannot be had" in again.stderr) == (2, True)
    assert set(home.glob("*.before-*")) == aside
    assert len(rows("charges", "--json", "--ledger", str(home))) == 2
    _ledger(home, "backup", str(backups))
    assert _of(other, "standby", str(backups), "--once").returncode == 0
    assert _of(other, "promote").returncode == 0
    late = _of(home, "standby", str(backups), "--once")
    assert (late.returncode, "has taken the place" in late.stderr) == (2, True)
    _ledger(other, "backup", str(backups))
    assert _of(home, *standby, "--once").returncode == 0  # now it stands by for that one
    assert set(home.glob("*.before-*")) > aside


def test_a_backup_is_verified(tmp_path: Path) -> None:
    home, other, saved = tmp_path / "home", tmp_path / "other", tmp_path / "saved"
    for folder, spans in ((home, (1, 2)), (other, (3, 4))):
        journalled(folder / "journal", *spans)
        assert run("ship", "--drain", "--ledger", str(folder)).returncode == 0
    _ledger(home, "backup", str(saved))
    (found,) = rows("ledger", "verify", str(saved), "--json", "--ledger", str(home))
    assert (found["seq"], found["compared"], len(found["entries"])) == (2, True, 64)
    (found,) = rows("ledger", "verify", str(saved), "--json", "--ledger", str(tmp_path / "none"))
    assert found["compared"] is False
    done = run("ledger", "verify", str(saved), "--ledger", str(other))
    assert (done.returncode, "the first 2 entries of the two" in done.stderr) == (2, True)
    saved.write_bytes(saved.read_bytes()[:-500])
    done = run("ledger", "verify", str(saved), "--ledger", str(home))
    assert (done.returncode, "put back an older one" in done.stderr) == (2, True)
    assert not list(tmp_path.glob(".verify-*"))


def _standing_by(
    started: Any, folder: Path, backups: Path, port: int, says: str = "ready: the ledger of"
) -> Child:
    command = [PROGRAM, "ledger", "standby", str(backups), "--ledger", str(folder / "copy")]
    options = ["--every", "0.2", "--listen", f"127.0.0.1:{port}"]
    log = folder / f"standby-{len(started)}.log"
    child: Child = started.start("standby", [*command, *options], log, environment(folder))
    child.find(says)
    return child


def _env(folder: Path) -> dict[str, str]:
    return {"OTEL_GENAI_COST_REGISTRY": str(folder / "registry")}


def _of(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    return run("ledger", *command, "--ledger", str(home))


def _ledger(home: Path, *command: str) -> None:
    done = _of(home, *command)
    assert done.returncode == 0, done.stderr
