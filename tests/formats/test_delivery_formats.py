"""What each released version noted of a journal that is sent, and of who receives it, is read by this one; of what a
newer one noted nothing is believed, or it is refused with the remedy."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import FormatTooNewError
from otel_genai_cost.forwarding.folder import NOWHERE, JournalFolder, Life, Position
from otel_genai_cost.ledger.storage.identity import IDENTITY, Identity, known_identity, promote
from tests.formats.record import HERE, delivery_formats

RELEASED = sorted(path.parent for path in HERE.glob("*/delivery/delivery.json"))
released = pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.parent.name)


def _told(released: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((released / "delivery.json").read_text("utf-8"))
    return found


@pytest.fixture(autouse=True, scope="module")
def untouched() -> Generator[None]:
    """What was recorded stays as it was recorded."""
    before = {
        path: path.read_bytes() for one in RELEASED for path in one.rglob("*") if path.is_file()
    }
    yield
    assert before == {path: path.read_bytes() for path in before}


@released
def test_positions_are_believed(released: Path, tmp_path: Path) -> None:
    life = Life(*_told(released)["life"])
    shutil.copytree(released / "journal", tmp_path / "journal")
    folder = JournalFolder(tmp_path / "journal")
    assert folder.receiver() == life
    assert folder.position("finished") == Position(4_096, True, life)
    assert folder.position("written") == Position(1_024, False, life)
    assert folder.position("begun") == NOWHERE
    folder.keep("written", Position(2_048, True, life), durable=True)
    assert folder.position("written") == Position(2_048, True, life)


@released
def test_who_receives_is_who_it_was(released: Path, tmp_path: Path) -> None:
    name, epoch = _told(released)["life"]
    shutil.copytree(released / "receiver", tmp_path / "receiver")
    assert known_identity(tmp_path / "receiver") == Identity(name, epoch)
    assert promote(tmp_path / "receiver") == Identity(name, epoch + 1)


def _renumbered(path: Path) -> None:
    said = json.loads(path.read_bytes())
    path.write_text(json.dumps({**said, "format": said["format"] + 1}))


def test_of_a_newer_position_nothing_is_believed(tmp_path: Path) -> None:
    shutil.copytree(RELEASED[-1] / "journal", tmp_path / "journal")
    for noted in (tmp_path / "journal").rglob("*"):
        if noted.is_file():
            _renumbered(noted)
    folder = JournalFolder(tmp_path / "journal")
    assert folder.receiver() is None
    assert folder.position("finished") == NOWHERE


def test_one_without_a_number_is_of_the_first_format(tmp_path: Path) -> None:
    """As they were written before they had numbers."""
    noted = tmp_path / "ingested" / ".forwarded"
    noted.mkdir(parents=True)
    (noted / "a").write_text('{"offset": 7, "finished": false, "ledger": "l", "epoch": 2}')
    assert JournalFolder(tmp_path).position("a") == Position(7, False, Life("l", 2))


def test_a_newer_identity_is_refused_with_the_remedy(tmp_path: Path) -> None:
    shutil.copytree(RELEASED[-1] / "receiver", tmp_path / "receiver")
    _renumbered(tmp_path / "receiver" / IDENTITY)
    with pytest.raises(FormatTooNewError, match="upgrade otel-genai-cost"):
        known_identity(tmp_path / "receiver")


def test_what_is_noted_now_has_numbers_that_are_recorded() -> None:
    assert delivery_formats() in [_told(path)["formats"] for path in RELEASED], (
        "from tests.formats.record import record_delivery, into the next release's folder"
    )
