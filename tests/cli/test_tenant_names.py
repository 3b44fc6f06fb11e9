"""A tenant whose id is the word for calls that are nobody's, or for the platform's own, is asked for by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.homes import home_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant
from tests.statements.ledgers import book, entry

Capture = pytest.CaptureFixture[str]

_AT = "2026-10-05T10:00:00Z"
_OCTOBER = ("--period", "2026-10")


@pytest.fixture
def home(tmp_path: Path) -> str:
    """Calls of two tenants with such ids, of acme, of nobody and of the platform: 1, 20, 300, 4000 and 50000."""
    found = home_of(tmp_path / "home", [observe(1, trace=1, attribution=tenant("other"))])
    book(
        found,
        [
            entry(11, "unattributed", _AT, "1"),
            entry(12, "system", _AT, "20"),
            entry(13, "acme", _AT, "300"),
            entry(14, None, _AT, "4000"),
            entry(15, None, _AT, "50000", absent="system"),
        ],
    )
    return str(found)


_NAMED = [
    (("unattributed",), [4000]),
    (("=unattributed",), [1]),
    (("system",), [50000]),
    (("=system",), [20]),
    (("=acme",), [300]),
    (("acme", "unattributed", "=system"), [300, 20, 4000]),
    (("=",), []),
]


def _options(names: tuple[str, ...]) -> list[str]:
    return [part for name in names for part in ("--tenant", name)]


@pytest.mark.parametrize(("names", "prices"), _NAMED)
def test_of_statements(
    capsys: Capture, home: str, names: tuple[str, ...], prices: list[int]
) -> None:
    of = (*_OCTOBER, "--ledger", home)
    run = rows_of(capsys, "statements", "run", *_options(names), *of)
    assert sorted(int(row["price"]) for row in run) == sorted(prices)
    rows_of(capsys, "statements", "run", *of)
    again = rows_of(capsys, "statements", "run", *_options(names), *of)
    assert [row["digest"] for row in again] == [row["digest"] for row in run]
    listed = rows_of(capsys, "statements", "list", *_options(names), *of)
    assert sorted(int(row["price"]) for row in listed) == sorted(prices)
    if len(prices) == 1:
        (shown,) = rows_of(capsys, "statements", "show", *names, *of)
        assert int(shown["price"]) == prices[0]


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (("unattributed",), 54000),
        (("=unattributed",), 1),
        (("system",), 20),
        (("=system",), 20),
        (("unattributed", "=unattributed", "acme"), 54301),
    ],
)
@pytest.mark.parametrize("command", ["report", "actions"])
def test_of_reports(
    capsys: Capture, home: str, names: tuple[str, ...], total: int, command: str
) -> None:
    of = ("--from", "2026-10-01", "--to", "2026-11-01", "--ledger", home)
    found = rows_of(capsys, command, "--by", "tenant", *_options(names), *of)
    assert sum(int(row["total"]) for row in found) == total
    entries = rows_of(capsys, "entries", *_options(names), *of)
    assert sum(int(row["amount"]) for row in entries) == total


@pytest.mark.parametrize("command", [("report", "--by", "tenant"), ("actions",), ("margin",)])
def test_of_tables(capsys: Capture, home: str, command: tuple[str, ...]) -> None:
    of = ("--from", "2026-10-01", "--to", "2026-11-01", "--ledger", home)
    lines = call(capsys, *command, *of).out.splitlines()
    names = {line.split()[0] for line in lines if line}
    assert {"unattributed", "=unattributed", "system", "acme"} <= names
