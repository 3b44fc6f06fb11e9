"""What was stated stays: it cannot be edited or lost unnoticed, and nothing is stated of what is not whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import FormatTooNewError, LedgerError, LedgerLockedError
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.statements.store import STATEMENTS_FILE, Statements, statements_lock
from tests.statements.ledgers import book, entry
from tests.statements.runs import run


def test_what_was_stated_cannot_be_edited_or_lost_unnoticed(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    run(tmp_path)
    path = tmp_path / STATEMENTS_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in ("UPDATE statement SET body = ''", "DELETE FROM statement"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                db.execute(statement)
        db.execute("DROP TRIGGER statement_stays")
        db.execute("UPDATE statement SET body = replace(body, '0.01', '0.02')")
    with pytest.raises(LedgerError, match="damaged"):
        run(tmp_path)


def test_a_revision_that_is_gone_is_noticed(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    run(tmp_path)
    book(tmp_path, [entry(2, "acme", "2026-10-05T00:00:00Z")])
    run(tmp_path)
    with closing(sqlite3.connect(tmp_path / STATEMENTS_FILE, isolation_level=None)) as db:
        db.execute("DROP TRIGGER statement_is_kept")
        db.execute("DELETE FROM statement WHERE revision = 1")
    with pytest.raises(LedgerError, match="follows one that is not there"):
        run(tmp_path)


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    run(tmp_path)
    with closing(sqlite3.connect(tmp_path / STATEMENTS_FILE, isolation_level=None)) as db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    with pytest.raises(FormatTooNewError):
        run(tmp_path)
    (tmp_path / STATEMENTS_FILE).write_bytes(
        b"no database at all, but long enough to look like one"
    )
    with pytest.raises(LedgerError):
        run(tmp_path)


def test_one_process_states_at_a_time(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    with statements_lock(tmp_path), pytest.raises(LedgerLockedError, match="another process"):
        run(tmp_path)
    assert not (tmp_path / STATEMENTS_FILE).exists()


def test_a_file_that_is_lost_is_not_begun_anew(tmp_path: Path) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    before = run(tmp_path).stated
    kept = (tmp_path / STATEMENTS_FILE).read_bytes()
    (tmp_path / STATEMENTS_FILE).unlink()
    with pytest.raises(LedgerError, match="put a backup of it back"):
        run(tmp_path)
    with pytest.raises(LedgerError, match="is gone"):
        Statements(tmp_path, readonly=True)
    (tmp_path / STATEMENTS_FILE).write_bytes(kept)
    assert run(tmp_path).stated == before


def test_a_ledger_that_lacks_what_was_stated_takes_nothing_back(tmp_path: Path) -> None:
    book(tmp_path, [entry(n, "acme", "2026-10-05T00:00:00Z") for n in (1, 2)])
    run(tmp_path)
    (tmp_path / LEDGER_FILE).unlink()
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    with pytest.raises(LedgerError, match="2 were stated"):
        run(tmp_path)
    book(tmp_path, [entry(2, "acme", "2026-10-05T00:00:00Z")])
    assert not run(tmp_path).fresh


def test_a_file_that_cannot_be_written_states_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(tmp_path, [entry(1, "acme", "2026-10-05T00:00:00Z")])
    with closing(Statements(tmp_path)):
        pass
    book(tmp_path, [entry(n, f"t{n}", "2026-10-05T00:00:00Z") for n in range(2, 40)])
    connect = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*arguments, **options)
        db.execute("PRAGMA max_page_count = 1")  # no more than there is: a full disk
        return db

    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(LedgerError, match="nothing of it was kept"):
        run(tmp_path)
    monkeypatch.undo()
    assert len(run(tmp_path).fresh) == 39
