"""Files beside a ledger's: whole, private, of a format that is known, and not begun anew when they are lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.ledger.storage.beside import (
    check_format,
    connect_to_read,
    connect_to_write,
    create,
    note_begun,
    refuse_lost,
    script_of,
)

META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty file of format 1."""
    found = tmp_path / "shoes.sqlite"
    create(found, script_of(META, 1))
    return found


def test_a_file_is_made_whole_and_for_its_owner_alone(path: Path) -> None:
    assert [one.name for one in path.parent.iterdir()] == ["shoes.sqlite"]
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(connect_to_write(path)) as db:
        db.execute("INSERT INTO meta VALUES ('a', 'b')")
        assert (path.parent / "shoes.sqlite-wal").stat().st_mode & 0o777 == 0o600
        with closing(connect_to_read(path)) as reading:
            check_format(reading, path, "shoes", 1)
            assert reading.execute("SELECT count(*) FROM meta").fetchone() == (2,)
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reading.execute("DELETE FROM meta")


def test_neither_way_of_opening_makes_a_file(tmp_path: Path) -> None:
    for connect in (connect_to_read, connect_to_write):
        with pytest.raises(sqlite3.OperationalError):
            connect(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("said", ["DELETE FROM meta", "UPDATE meta SET value = 'shoe'"])
def test_a_file_without_a_format_is_refused(path: Path, said: str) -> None:
    with closing(connect_to_write(path)) as db:
        db.execute(said)
        with pytest.raises(LedgerError, match=r"shoes\.sqlite holds no shoes; put a backup"):
            check_format(db, path, "shoes", 1)


def test_a_newer_format_is_refused(path: Path) -> None:
    with closing(connect_to_write(path)) as db:
        db.execute("UPDATE meta SET value = '2'")
        with pytest.raises(FormatTooNewError, match=r"shoes\.sqlite has format 2"):
            check_format(db, path, "shoes", 1)


def test_a_file_that_is_lost_is_not_begun_anew(path: Path) -> None:
    refuse_lost(path, "who walks", "walk again")
    note_begun(path)
    path.unlink()
    with pytest.raises(LedgerError, match=r"who walks;.*remove .*shoes\.begun to walk again"):
        refuse_lost(path, "who walks", "walk again")
