"""What each released version stated is read by this one as it was stated, and is gone on with."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.statements.store import FORMAT, STATEMENTS_FILE, Statements
from tests.formats.record import HERE
from tests.formats.statements import ENTRIES, LATE
from tests.statements.ledgers import book, entry
from tests.statements.runs import amount, run

RELEASED = sorted(path.parent for path in HERE.glob("*/statements/statements.json"))
released = pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.parent.name)


def _told(released: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((released / "statements.json").read_text("utf-8"))
    return found


def _home(released: Path, folder: Path) -> Path:
    packed = (released / f"{STATEMENTS_FILE}.gz").read_bytes()
    (folder / STATEMENTS_FILE).write_bytes(gzip.decompress(packed))
    return folder


@released
def test_statements_are_read_as_they_were_stated(released: Path, tmp_path: Path) -> None:
    with closing(Statements(_home(released, tmp_path), readonly=True)) as file:
        found = [kept.statement for kept in file.of()]
    assert sorted(one.digest for one in found) == _told(released)["digests"]
    assert {(one.tenant, one.currency, one.revision) for one in found} == {
        *(("acme", "USD", 1), ("acme", "USD", 2), ("acme", "EUR", 1)),
        *(("bolt", "USD", 1), (None, "USD", 1)),
    }


@released
def test_what_follows_is_a_revision(released: Path, tmp_path: Path) -> None:
    book(_home(released, tmp_path), [*ENTRIES, LATE])
    again = run(tmp_path)
    assert (again.fresh, again.pending) == ((), ())
    book(tmp_path, [entry(6, "acme", "2026-10-06T00:00:00Z", "2")])
    (one,) = run(tmp_path).fresh
    assert (one.revision, one.price) == (3, amount("2"))


def test_what_is_stated_now_has_a_number_that_is_recorded() -> None:
    assert FORMAT in [_told(path)["format"] for path in RELEASED], (
        "what is stated has another format: record it, as tests/formats/record.py does for a release"
    )
