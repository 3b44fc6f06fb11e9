"""A copy follows a ledger's backups and takes its place: whole, once, and above every life there was."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tarfile
from hashlib import sha256
from itertools import count
from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.backup_folder import (
    backup_name,
    newest_backup,
    note_successor,
)
from otel_genai_cost.ledger.storage.backups import back_up, unpacked, why_not_of
from otel_genai_cost.ledger.storage.beside import connect_to_write, create
from otel_genai_cost.ledger.storage.content import entries_digest
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.identity import Identity, identity_of, known_identity
from otel_genai_cost.ledger.storage.restoring import restore
from otel_genai_cost.ledger.storage.standby import Standby, stand_up
from otel_genai_cost.ledger.storage.store import Ledger
from tests.formats.record import booked
from tests.ledger.build import observe
from tests.ledger.storage.test_kept_through_kills import is_killed


class _World:
    """A ledger, its backups and a copy."""

    def __init__(self, folder: Path) -> None:
        self.home, self.backups = folder / "ledger", folder / "backups"
        self.copy = folder / "copy"
        self.backups.mkdir()
        self._made = 0
        self.call(3)
        identity_of(self.home)

    def call(self, many: int) -> None:
        """So many more calls are booked."""
        journal = Journal([self.home / "journal"])
        for n in range(self._made + 1, self._made + many + 1):
            journal.append(to_record(observe(n, trace=n, start_s=9 * n, end_s=9 * n + 1)))
        journal.close()
        self._made += many
        ship(self.home, [self.home / "journal"], drain=True)
        decide(self.home, {"type": "note", "calls": self._made})

    def back_up(self) -> Path:
        """One more."""
        made = self.backups / backup_name(len(list(self.backups.iterdir())))
        back_up(self.home, made)
        return made

    def standby(self) -> Standby:
        self.copy.mkdir(exist_ok=True)
        return Standby(self.copy, self.backups)


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path)


def test_it_follows_each_newer_backup_and_only_is_read(world: _World) -> None:
    standby = world.standby()
    assert standby.follow() is None
    world.back_up()
    assert standby.follow() is not None
    assert booked(world.copy) == booked(world.home)
    assert standby.follow() is None
    world.call(2)
    world.back_up()
    assert world.standby().follow() == standby.followed
    assert booked(world.copy) == booked(world.home)
    assert known_identity(world.copy) == known_identity(world.home)
    for write in (
        lambda: ship(world.copy, [world.copy / "journal"]),
        lambda: back_up(world.copy, world.backups / "of-copy"),
        lambda: restore(world.copy, newest_backup(world.backups), replace=True),
        lambda: decide(world.copy, {"type": "note"}),
        lambda: create(world.copy / "statements.sqlite", ""),
        lambda: connect_to_write(world.copy / LEDGER_FILE),
    ):
        with pytest.raises(LedgerError, match="ledger promote --ledger"):
            write()
    assert not list(world.copy.glob("*.before-*"))
    assert not (world.copy / "statements.sqlite").exists()


def test_what_is_promoted_is_above_every_life_and_the_old_one_is_refused(world: _World) -> None:
    world.back_up()
    standby = world.standby()
    standby.follow()
    taken = stand_up(world.copy, clock_s=lambda: 1_000.0)
    assert taken.identity == (identity_of(world.home).id, 1_000)
    ship(world.copy, [world.copy / "journal"], drain=True)
    with pytest.raises(
        LedgerError, match=r"of its epoch 1000, and this one's is 1; .*ledger standby"
    ):
        world.back_up()
    with pytest.raises(LedgerError, match="does not stand by"):
        stand_up(world.copy)
    back_up(world.copy, world.backups / "b")
    old = Standby(world.home, world.backups, replace=True)  # which then is its standby
    assert old.follow() is not None
    assert list(world.home.glob("ledger.sqlite.before-*"))
    assert identity_of(world.home) == taken.identity
    assert stand_up(world.home, clock_s=lambda: 5.0).identity.epoch == 1_001


def test_of_two_copies_one_takes_the_place(world: _World, tmp_path: Path) -> None:
    world.back_up()
    world.standby().follow()
    other = tmp_path / "other"
    other.mkdir()
    Standby(other, world.backups).follow()
    stand_up(world.copy, clock_s=lambda: 1_000.0)
    for late_s in (1_001.0, 1_000.0):
        with pytest.raises(LedgerError, match="has taken the place"):
            stand_up(other, clock_s=lambda late_s=late_s: late_s)  # type: ignore[misc]
    back_up(world.copy, world.backups / "later")
    assert Standby(other, world.backups).follow() is not None


def test_two_that_take_it_in_one_second_are_told_apart(tmp_path: Path) -> None:
    for _ in range(2):  # the second time after it was killed
        note_successor(tmp_path, Identity("a", 7), "one")
    with pytest.raises(LedgerError, match="another copy takes the place"):
        note_successor(tmp_path, Identity("a", 7), "other")


def test_a_backup_of_an_earlier_life_is_never_the_newest(world: _World) -> None:
    first = world.back_up()
    world.standby().follow()
    stand_up(world.copy)
    back_up(world.copy, world.backups / "of-the-new")
    shutil.copyfile(first, world.backups / "zz")
    facts = json.loads(_manifest(first))
    _with_manifest(first, world.backups / "zz", {**facts, "made_us": 1 << 60})
    assert newest_backup(world.backups) == world.backups / "of-the-new"


def test_promotion_before_anything_was_followed_is_refused(world: _World) -> None:
    world.standby()
    with pytest.raises(LedgerError, match="followed no backup yet"):
        stand_up(world.copy)


def test_a_ledger_is_not_made_a_copy_unasked(world: _World) -> None:
    was = booked(world.home)
    with pytest.raises(LedgerError, match="--replace"):
        Standby(world.home, world.backups)
    world.call(1)
    assert booked(world.home) != was


def test_backups_of_two_ledgers_in_one_folder_are_refused(world: _World, tmp_path: Path) -> None:
    world.back_up()
    other = tmp_path / "other"
    shutil.copytree(world.home, other)
    (other / "identity.json").unlink()
    identity_of(other)
    back_up(other, world.backups / "other")
    with pytest.raises(LedgerError, match="backups of 2 ledgers"):
        world.standby().follow()


def test_what_else_is_kept_beside_a_ledger_goes_along(world: _World) -> None:
    """Whole, whatever stands in its log; a token that was given out here since is not taken back by an older file."""
    other = sqlite3.connect(world.home / "statements.sqlite")
    other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (n); INSERT INTO t VALUES (7);")
    (world.home / "sender-tokens.json").write_text("old")
    saved = world.back_up()
    other.execute("UPDATE t SET n = 8")
    other.commit()
    other.close()
    world.standby().follow()
    assert _rows(world.copy / "statements.sqlite") == [(7,)]
    assert (world.copy / "sender-tokens.json").read_text() == "old"
    (world.home / "sender-tokens.json").write_text("new")
    restore(world.home, saved, replace=True)
    assert _rows(world.home / "statements.sqlite") == [(7,)]
    assert (world.home / "sender-tokens.json").read_text() == "new"
    assert list(world.home.glob("statements.sqlite.before-*"))
    (world.home / "statements.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(LedgerError, match=r"statements.sqlite cannot be copied, .*see that"):
        world.back_up()


def _rows(path: Path) -> list[tuple[int]]:
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT n FROM t").fetchall()
    finally:
        db.close()


def test_a_damaged_backup_is_passed_over(world: _World, caplog: pytest.LogCaptureFixture) -> None:
    world.back_up()
    standby = world.standby()
    standby.follow()
    world.call(1)
    good = world.back_up()
    world.call(1)
    bad = world.back_up()
    bad.write_bytes(bad.read_bytes()[:-3_000])
    followed = standby.follow()
    assert followed is not None and followed.seq == 4 and good.exists()
    assert [one for one in caplog.messages if "is not followed" in one and bad.name in one]
    assert standby.follow() is None
    assert len([one for one in caplog.messages if "is not followed" in one]) == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET occurred_us = occurred_us + 1 WHERE seq = 2",
        "DELETE FROM entry WHERE seq = 3",
        "UPDATE text SET body = replace(body, 'u', 'v') WHERE n = (SELECT terms FROM entry WHERE seq = 1)",
        "UPDATE entry SET whom = 99 WHERE seq = 1",
    ],
)
def test_whole_files_that_are_not_the_ledger_are_found(world: _World, change: str) -> None:
    """As if a copy had gone wrong before its files were digested."""
    saved, copy = world.back_up(), world.backups.parent / "changed"
    with tarfile.open(saved) as archive:
        archive.extractall(copy, filter="data")
    with sqlite3.connect(copy / LEDGER_FILE) as db:
        db.execute(change)
    db.close()
    facts = json.loads((copy / "manifest.json").read_bytes())
    facts["sha256"] = sha256((copy / LEDGER_FILE).read_bytes()).hexdigest()
    _with_manifest(saved, saved, facts, {LEDGER_FILE: copy / LEDGER_FILE})
    with pytest.raises(
        LedgerError, match=r"not those of the ledger|a row of its entries is damaged"
    ):
        restore(_empty(world.copy), saved, replace=False)
    assert not (world.copy / LEDGER_FILE).exists()


def test_entries_that_changed_since_are_not_followed(
    world: _World, caplog: pytest.LogCaptureFixture
) -> None:
    world.back_up()
    standby = world.standby()
    standby.follow()
    was = booked(world.copy)
    with sqlite3.connect(world.home / LEDGER_FILE) as db:
        db.execute("UPDATE entry SET occurred_us = occurred_us + 1 WHERE seq = 2")
    db.close()
    world.call(1)
    world.back_up()
    assert standby.follow() is None
    assert [one for one in caplog.messages if "entries never change" in one]
    assert booked(world.copy) == was


def test_the_digest_is_of_what_entries_say_alone(world: _World, tmp_path: Path) -> None:
    """Not of the numbers of texts, nor of what comes later."""
    with sqlite3.connect(world.home / LEDGER_FILE) as db:
        before = entries_digest(db, 3)
    db.close()
    world.call(4)
    made = world.back_up()
    with sqlite3.connect(world.home / LEDGER_FILE) as db:
        assert entries_digest(db, 3) == before != entries_digest(db, 7)
        db.execute("UPDATE text SET n = n + 1000")
        db.execute("UPDATE entry SET terms = terms + 1000, whom = whom + 1000")
        assert entries_digest(db, 3) == before
    db.close()
    said = unpacked(made, _empty(tmp_path / "here"))
    assert why_not_of(world.home, tmp_path / "here" / LEDGER_FILE, said) is None


def test_segments_are_those_of_the_new_folder(world: _World) -> None:
    world.back_up()
    world.standby().follow()
    ledger = Ledger(world.copy / LEDGER_FILE, readonly=True)
    paths = {Path(one.path).parent.parent for one in ledger.cursors.all()}
    ledger.close()
    assert paths == {world.copy}


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "next"])
def test_following_that_is_killed_is_done_again(
    world: _World, tmp_path: Path, is_first: bool
) -> None:
    if not is_first:
        world.back_up()
        world.standby().follow()
        world.call(2)
    world.back_up()
    is_now, kept = booked(world.home), tmp_path / "kept"
    was = None if is_first else booked(world.copy)
    shutil.copytree(_empty(world.copy), kept)
    seen: set[str] = set()
    step = 0
    for step in count():
        home = tmp_path / f"copy-{step}"
        shutil.copytree(kept, home)
        if not is_killed(step, lambda home=home: Standby(home, world.backups).follow()):  # type: ignore[misc]
            break
        try:
            stand_up(_copied(home))
            assert booked(_copied(home)) in (was, is_now)
            seen.add("whole")
        except LedgerError as error:
            assert any(
                what in str(error)
                for what in ("ledger standby", "followed no backup", "does not stand by")
            )
            seen.add("refused")
        shutil.rmtree(_copied(home))
        for word in world.backups.glob("successor-*"):
            word.unlink()
        Standby(home, world.backups).follow()
        assert booked(home) == is_now
        assert not (home / "restoring.json").exists()
        shutil.rmtree(home)
    assert step > 8 and "refused" in seen
    assert is_first or "whole" in seen


def test_promotion_that_is_killed_is_done_again(world: _World, tmp_path: Path) -> None:
    world.back_up()
    world.standby().follow()
    step = 0
    for step in count():
        home = tmp_path / f"copy-{step}"
        shutil.copytree(world.copy, home)
        if not is_killed(step, lambda home=home: stand_up(home)):  # type: ignore[misc]
            break
        if (home / "standby.json").exists():
            stand_up(home)
        assert identity_of(home).epoch > identity_of(world.home).epoch
        ship(home, [home / "journal"], drain=True)
        for word in world.backups.glob("successor-*"):
            word.unlink()
    assert step > 4


def _empty(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def _copied(home: Path) -> Path:
    """The same folder once more, as it was left."""
    other = home.with_name(f"{home.name}-again")
    if not other.exists():
        shutil.copytree(home, other)
    return other


def _manifest(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        content = archive.extractfile("manifest.json")
        assert content is not None
        return content.read()


def _with_manifest(
    source: Path, target: Path, facts: object, instead: dict[str, Path] | None = None
) -> None:
    """A backup that says this of itself, and has some other files."""
    folder = target.with_name(f"{target.name}-unpacked")
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    (folder / "manifest.json").write_text(json.dumps(facts))
    for name, path in (instead or {}).items():
        shutil.copyfile(path, folder / name)
    with tarfile.open(target, "w:gz") as archive:
        names = ["manifest.json"]
        names += sorted(
            str(one.relative_to(folder))
            for one in folder.rglob("*")
            if one.is_file() and one.name != "manifest.json"
        )
        for name in names:
            archive.add(folder / name, name)
    shutil.rmtree(folder)
