"""What each released version wrote is read by this one, to the same figures; what a newer one writes is refused, with
the remedy."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Callable, Generator
from contextlib import closing
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.gate.openapi import document
from otel_genai_cost.gate.service import ROUTES
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.ingested import is_marked
from otel_genai_cost.journal.open_segment import frame
from otel_genai_cost.journal.reader import is_finished, read, segments
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.restoring import restore
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.load import load_book, read_lock
from tests.demo.processes import ROOT
from tests.formats.record import HERE, booked, formats, version
from tests.metering.programs import run

RELEASED = sorted(path.parent for path in HERE.glob("*/figures.json"))


def _told(released: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((released / "figures.json").read_text("utf-8"))
    return found


def _newest() -> Path:
    """The last recording whose formats are those that are written now."""
    return [path for path in RELEASED if _told(path)["formats"] == formats()][-1]


def _home(released: Path, folder: Path) -> Path:
    """A ledger's folder as that version left it."""
    home = folder / "home"
    home.mkdir()
    shutil.copytree(released / "journal", home / "journal")
    packed = (released / f"{LEDGER_FILE}.gz").read_bytes()
    (home / LEDGER_FILE).write_bytes(gzip.decompress(packed))
    return home


@pytest.fixture(autouse=True, scope="module")
def untouched() -> Generator[None]:
    """What was recorded stays as it was recorded."""
    before = {path: path.read_bytes() for path in HERE.rglob("0*/**/*") if path.is_file()}
    yield
    assert before == {path: path.read_bytes() for path in HERE.rglob("0*/**/*") if path.is_file()}


released = pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.name)


@released
def test_journal_is_read_to_the_same_figures(released: Path, tmp_path: Path) -> None:
    told = _told(released)
    found: list[dict[str, Any]] = []
    for segment in segments(released / "journal"):
        batch = read(segment, finished=is_finished(segment))
        assert not batch.damage
        found += batch.records
    assert sum("type" not in each for each in found) == told["observations"]
    assert sum(each.get("type") == "start" for each in found) == told["starts"]
    journal = tmp_path / "journal"
    shutil.copytree(released / "journal", journal)
    ship(tmp_path, [journal], drain=True)
    assert booked(tmp_path) == told["figures"]


@released
def test_ledger_is_read_and_goes_on(released: Path, tmp_path: Path) -> None:
    told, home = _told(released), _home(released, tmp_path)
    if told["formats"]["ledger"] < formats()["ledger"]:
        with pytest.raises(LedgerError, match="genai-cost ship"):
            booked(home)  # whoever only reads brings nothing up to date
    Ledger(home / LEDGER_FILE).close()
    assert booked(home) == told["figures"]
    ship(home, [home / "journal"], drain=True)
    assert booked(home) == told["figures"]  # it knows how far it had read
    environment = {"OTEL_GENAI_COST_BOOK": str(released / "book.toml")}
    ran = run(
        "trace.set_tracer_provider(TracerProvider()); install()\nwith tenant('acme'): call()",
        home,
        environment,
    )
    assert ran.code == 0, ran.stderr
    ship(home, [home / "journal"], drain=True)
    after = booked(home)
    assert after["calls"] == {
        **told["figures"]["calls"],
        "acme": told["figures"]["calls"]["acme"] + 1,
    }
    assert after["unpriced"] == told["figures"]["unpriced"]


@released
def test_backup_is_restored_to_the_same_figures(released: Path, tmp_path: Path) -> None:
    restore(tmp_path, released / "backup.tar.gz", replace=False)
    Ledger(tmp_path / LEDGER_FILE).close()
    assert booked(tmp_path) == _told(released)["figures"]


@released
def test_marks_are_known(released: Path, tmp_path: Path) -> None:
    home = _home(released, tmp_path)
    marked = [
        segment.stem
        for segment in segments(home / "journal")
        if is_marked(segment, segment.stat().st_size)
    ]
    assert marked == _told(released)["marks"] != []


@released
def test_books_have_the_same_digest(released: Path) -> None:
    [kept] = (released / "journal" / "books").glob("*.json")
    assert load_book(released / "book.toml").digest == kept.stem
    read_lock(kept.read_bytes(), kept.name)


@released
def test_gate_answers_what_it_answered(released: Path) -> None:
    before: Any = json.loads((released / "gate.json").read_text("utf-8"))["paths"]
    now: Any = json.loads(json.dumps(document(ROUTES)))["paths"]
    assert not [*_lost(before, now)]


def _lost(before: Any, now: Any, path: str = "") -> list[str]:
    """What callers of a released version may rely on and is not there any more, or is demanded by now."""
    if isinstance(before, dict):
        if not isinstance(now, dict):
            return [path]
        more = set(now.get("required") or ()) if isinstance(now.get("required"), list) else set()
        demanded = more - set(before.get("required") or ()) if "properties" in before else set()
        found = [f"{path}: demands {name}" for name in sorted(demanded)]
        for key, value in before.items():
            if key in ("description", "summary", "operationId", "required"):
                continue
            found += _lost(value, now[key], f"{path}/{key}") if key in now else [f"{path}/{key}"]
        return found
    if isinstance(before, list) and path.endswith("/parameters"):
        names = {each["name"]: each for each in now}
        return [
            lost
            for each in before
            for lost in _lost(each, names.get(each["name"]), f"{path}/{each['name']}")
        ]
    if isinstance(before, list):
        return [path] if not isinstance(now, list) or any(one not in now for one in before) else []
    return [] if before == now else [path]


def test_what_callers_rely_on_is_missed() -> None:
    operation: dict[str, Any] = {
        "summary": "what it is about",
        "parameters": [{"name": "tenant", "in": "query"}],
        "schema": {"properties": {"model": {"type": "string"}}, "required": ["model"]},
    }
    assert (
        _lost({"get": operation}, {"get": {**operation, "summary": "otherwise"}, "put": {}}) == []
    )
    assert _lost({"get": operation}, {}) == ["/get"]
    assert _lost(operation, {**operation, "parameters": []}) == ["/parameters/tenant"]
    more = {
        "properties": {**operation["schema"]["properties"], "n": {}},
        "required": ["model", "n"],
    }
    assert _lost(operation, {**operation, "schema": more}) == ["/schema: demands n"]
    other = {"properties": {"model": {"type": "integer"}}, "required": ["model"]}
    assert _lost(operation, {**operation, "schema": other}) == ["/schema/properties/model/type"]


# --- what is newer ---


def _newer_segment(home: Path) -> None:
    [segment] = segments(home / "journal")
    first, *rest = segment.read_bytes().splitlines(keepends=True)
    header: dict[str, Any] = json.loads(re.sub(rb"^[^{]*|[^}]*$", b"", first))
    segment.write_bytes(frame(encode({**header, "format": header["format"] + 1})) + b"".join(rest))
    ship(home.parent / "other", [home / "journal"], drain=True)
    read(segment, finished=True)


def _newer_ledger(home: Path) -> None:
    with closing(sqlite3.connect(home / LEDGER_FILE)) as db, db:
        db.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'format'")
    Ledger(home / LEDGER_FILE).close()


def _newer_book(home: Path) -> None:
    [book] = (home / "journal" / "books").glob("*.json")
    lock = book.read_bytes().replace(b'"otel-genai-cost/1"', b'"otel-genai-cost/2"')
    read_lock(lock, book.name)


def _newer_backup(home: Path) -> None:
    unpacked, newer = home / "unpacked", home / "newer.tar.gz"
    with tarfile.open(_newest() / "backup.tar.gz") as archive:
        archive.extractall(unpacked, filter="data")
    facts = json.loads((unpacked / "manifest.json").read_bytes())
    (unpacked / "manifest.json").write_text(json.dumps({**facts, "format": facts["format"] + 1}))
    with tarfile.open(newer, "w:gz") as archive:
        for path in unpacked.iterdir():
            archive.add(path, path.name)
    restore(home / "restored", newer, replace=False)


@pytest.mark.parametrize(
    "newer",
    [_newer_segment, _newer_ledger, _newer_book, _newer_backup],
    ids=lambda one: one.__name__,
)
def test_what_a_newer_version_wrote_is_refused_with_the_remedy(
    newer: Callable[[Path], None], tmp_path: Path
) -> None:
    home = _home(_newest(), tmp_path)
    (home / "restored").mkdir()
    with pytest.raises((FormatTooNewError, LedgerError), match="upgrade otel-genai-cost"):
        newer(home)


def test_mark_of_a_newer_version_is_no_leave_to_delete(tmp_path: Path) -> None:
    home = _home(_newest(), tmp_path)
    [segment] = segments(home / "journal")
    mark = home / "journal" / "ingested" / segment.stem
    facts = json.loads(mark.read_bytes())
    assert is_marked(segment, segment.stat().st_size)
    mark.write_text(json.dumps({**facts, "format": facts["format"] + 1}))
    assert not is_marked(segment, segment.stat().st_size)


# --- releases and their recordings ---


def test_every_release_is_recorded_and_so_is_what_is_written_now() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    released = re.findall(r"^## (\S+) \(", changes, re.MULTILINE)
    recorded = [path.name for path in RELEASED]
    assert not set(released) - set(recorded), "python -m tests.formats.record, before the release"
    assert formats() in [_told(path)["formats"] for path in RELEASED], (
        "what is written now has a number that no recording has: python -m tests.formats.record"
    )


def test_version_stands_in_one_place() -> None:
    assert version() == installed("otel-genai-cost")
    packages = ("otel_genai_cost", "instrumentors", "exporters")
    said = [
        str(path)
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if "__version__ =" in path.read_text("utf-8")
    ]
    assert said == []
