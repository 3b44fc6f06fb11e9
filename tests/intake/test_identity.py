"""A ledger is who it was, and of which life: over restarts, backups and restores."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.daemon import ship, writer_lock
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.identity import (
    IDENTITY,
    identity_of,
    known_identity,
    promote,
)
from otel_genai_cost.ledger.storage.restoring import restore
from tests.intake.served import journalled


def test_it_is_made_once(tmp_path: Path) -> None:
    assert known_identity(tmp_path) is None
    first = identity_of(tmp_path)
    assert first.epoch == 1 and identity_of(tmp_path) == first
    assert identity_of(tmp_path / "other").id != first.id


@pytest.mark.parametrize(
    "said",
    [b"", b"{}", b'{"id":"","epoch":1}', b'{"id":"a","epoch":0}', b'{"id":"a","epoch":"1"}', b"[]"],
)
def test_what_is_none_is_refused_and_stays(tmp_path: Path, said: bytes) -> None:
    (tmp_path / IDENTITY).write_bytes(said)
    with pytest.raises(LedgerError, match="put it back from a backup"):
        identity_of(tmp_path)
    assert (tmp_path / IDENTITY).read_bytes() == said


def test_a_restored_ledger_is_the_same_in_a_later_life(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    journalled(home / "journal", 1)
    ship(home, [home / "journal"])
    own = identity_of(home)
    back_up(home, tmp_path / "backup")
    with writer_lock(elsewhere):
        restore(elsewhere, tmp_path / "backup", replace=False)
    assert identity_of(elsewhere) == (own.id, own.epoch + 1)
    with writer_lock(home):
        restore(home, tmp_path / "backup", replace=True)
    assert identity_of(home) == (own.id, own.epoch + 1)
    promote(home)
    with writer_lock(home):  # an older backup does not bring back an older life
        restore(home, tmp_path / "backup", replace=True)
    assert identity_of(home) == (own.id, own.epoch + 3)
