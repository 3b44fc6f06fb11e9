"""Invoices with seeded defects of every class: each cell is classed as what was done to it, and nothing is left."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.cli.program import rows_of
from tests.reconciliation.formats import as_anthropic, as_aws, as_azure, as_focus, as_gcp
from tests.reconciliation.invoices import (
    DEFECTS,
    as_csv,
    as_openai,
    ledger_of,
    seeded,
)

Capture = pytest.CaptureFixture[str]
Write = Callable[..., Path]

WRITERS: list[tuple[str, Write, frozenset[str]]] = [
    ("plain", as_csv, frozenset()),
    ("openai", as_openai, frozenset({"discount"})),  # it has no list price
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ledger_of(tmp_path_factory.mktemp("october"))


def _reconciled(
    capsys: Capture, home: Path, paths: list[Path], provider: str = "openai"
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    arguments = ("--provider", provider, *map(str, paths), "--ledger", str(home))
    *cells, last = rows_of(capsys, "reconcile", *arguments)
    return cells, last["summary"]


def _place(cell: dict[str, Any]) -> tuple[str | None, ...]:
    names = ("day", "model", "token_type", "key", "kind", "tier")
    return tuple(cell[name] for name in names)


def _check_sums(cells: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    for cell in cells:
        difference = Decimal(cell["theirs"]["amount"]) - Decimal(cell["ours"]["amount"])
        assert Decimal(cell["volume"]) + Decimal(cell["rate"]) == difference, cell
        assert sum(map(Decimal, cell["parts"].values())) == difference, cell
    for side in ("ours", "theirs"):
        assert sum(Decimal(cell[side]["amount"]) for cell in cells) == Decimal(summary[side])
    explained = Decimal(summary["explained"]) + Decimal(summary["unexplained"])
    assert Decimal(summary["ours"]) + explained == Decimal(summary["theirs"])


@pytest.mark.parametrize(("seed", "key"), [(1, None), (2, "proj_main"), (3, None)])
@pytest.mark.parametrize(("name", "write", "without"), WRITERS, ids=lambda value: str(value)[:9])
def test_every_defect_is_classed_and_nothing_is_left(
    capsys: Capture,
    home: Path,
    tmp_path: Path,
    name: str,
    write: Write,
    without: frozenset[str],
    seed: int,
    key: str | None,
) -> None:
    invoice = seeded(home, 200, seed, [one for one in DEFECTS if one not in without], key)
    cells, summary = _reconciled(capsys, home, [write(tmp_path / "bill", invoice.lines)])
    _check_sums(cells, summary)
    found = {_place(cell): cell["class"] for cell in cells if cell["class"] != "equal"}
    assert found == invoice.expected
    assert Decimal(summary["unexplained_share"]) <= Decimal("0.005")
    assert len(invoice.expected) > 180


@pytest.mark.parametrize(("name", "write", "without"), WRITERS, ids=lambda value: str(value)[:9])
def test_a_bill_without_a_defect_is_equal(
    capsys: Capture, home: Path, tmp_path: Path, name: str, write: Write, without: frozenset[str]
) -> None:
    invoice = seeded(home, 0, 1)
    cells, summary = _reconciled(capsys, home, [write(tmp_path / "bill", invoice.lines)])
    assert {cell["class"] for cell in cells} == {"equal"}
    assert summary["ours"] == summary["theirs"]
    assert (summary["unexplained"], summary["unexplained_share"]) == ("0", "0")


def test_two_defects_in_one_cell_are_both_in_its_parts(
    capsys: Capture, home: Path, tmp_path: Path
) -> None:
    invoice = seeded(home, 0, 1)
    line = next(one for one in invoice.lines if one.leaf == "output" and not one.tier)
    assert line.quantity is not None
    price = line.amount // line.quantity
    dearer = line._replace(quantity=line.quantity + 500, amount=(line.quantity + 500) * price * 2)
    lines = [dearer if one == line else one for one in invoice.lines]
    path = as_csv(tmp_path / "bill.csv", lines)
    cells, summary = _reconciled(capsys, home, [path])
    _check_sums(cells, summary)
    (cell,) = [one for one in cells if one["class"] != "equal"]
    assert _place(cell) == line.place
    assert Decimal(cell["volume"]) == 500 * Decimal(price) / 10**18
    assert {*cell["parts"]} == {"volume", "rate"}
    assert cell["class"] == "rate"


def test_a_line_that_says_nothing_is_unexplained(
    capsys: Capture, home: Path, tmp_path: Path
) -> None:
    invoice = seeded(home, 0, 1)
    path = as_csv(tmp_path / "bill.csv", invoice.lines)
    with path.open("a", encoding="utf-8") as file:
        file.write("2026-10-07,,,,,,,0.25,,USD\n")
    cells, summary = _reconciled(capsys, home, [path])
    (cell,) = [one for one in cells if one["class"] != "equal"]
    assert (cell["class"], cell["unexplained"]) == ("unknown", "0.25")
    assert summary["unexplained"] == "0.25"
    assert Decimal(summary["unexplained_share"]) > 0


class Provider(NamedTuple):
    """A provider's name here and in the ledger, models, the share of batches, how its bill is written, the defects that
    its bills have no words for, and by how many hours its midnight is after that of UTC."""

    name: str
    booked: str
    models: tuple[str, ...]
    batches: float
    write: Callable[..., list[Path]]
    without: frozenset[str]
    hours: int = 0


_AZURE = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "gpt-4.1-2025-04-14")
PROVIDERS = [
    Provider(
        "anthropic",
        "anthropic",
        ("claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001", "claude-opus-4-5-20251101"),
        0.2,
        as_anthropic,
        frozenset(),
    ),
    Provider(
        "aws",
        "aws.bedrock",
        (
            "amazon.nova-pro-v1:0",
            "amazon.nova-micro-v1:0",
            "anthropic.claude-3-5-haiku-20241022-v1:0",
        ),
        0,
        as_aws,
        frozenset({"batch"}),
    ),
    Provider(
        "azure", "azure.ai.openai", _AZURE, 0, as_azure, frozenset({"batch", "discount line"})
    ),
    Provider("azure", "azure.ai.openai", _AZURE, 0, as_focus, frozenset({"batch"})),
    Provider(
        "gcp",
        "gcp.vertex_ai",
        ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.0-flash"),
        0.2,
        as_gcp,
        frozenset({"discount", "discount line"}),
        hours=7,
    ),
]


@pytest.mark.parametrize("one", PROVIDERS, ids=lambda one: one.write.__name__)
def test_every_format_says_the_same(capsys: Capture, tmp_path: Path, one: Provider) -> None:
    """Cells of a model are found by leaf: a meter spells the model in its own way."""
    home = ledger_of(tmp_path, one.booked, one.models, one.batches, hours=one.hours)
    kinds = [kind for kind in DEFECTS if kind not in one.without]
    for count, seed in ((0, 1), (120, 2)):
        invoice = seeded(home, count, seed, kinds, hours=one.hours)
        paths = one.write(tmp_path, invoice.lines)
        cells, summary = _reconciled(capsys, home, paths, one.name)
        _check_sums(cells, summary)
        found = Counter(
            (_place(cell)[0], *_place(cell)[2:], cell["class"])
            for cell in cells
            if cell["class"] != "equal"
        )
        assert found == Counter(
            (place[0], *place[2:], cls) for place, cls in invoice.expected.items()
        )
        assert len({cell["model"] for cell in cells if cell["model"]}) == len(one.models)
        assert summary["unexplained"] == "0"


def test_parquet_says_what_csv_does(capsys: Capture, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    home = ledger_of(tmp_path, "aws.bedrock", PROVIDERS[1].models, 0, days=5)
    (path,) = as_aws(tmp_path, seeded(home, 8, 1, ["wrong price", "credit"]).lines)
    table = tmp_path / "cur.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{path}')) TO '{table}' (FORMAT parquet)")
    by_csv, by_parquet = (_reconciled(capsys, home, [each], "aws") for each in (path, table))
    assert by_csv == by_parquet
    assert {cell["class"] for cell in by_csv[0]} == {"equal", "rate", "credit"}


def test_a_bill_without_quantities_is_read_by_our_prices(
    capsys: Capture, home: Path, tmp_path: Path
) -> None:
    """A wrong price and another quantity are one without quantities; everything else is told apart as with them."""
    kinds = ["missing calls", "not billed", "foreign key", "midnight", "credit", "tax"]
    invoice = seeded(home, 120, 4, kinds)
    path = as_openai(tmp_path / "bill", invoice.lines)
    path.write_text(re.sub(r'"quantity": \d+,', '"quantity": null,', path.read_text()))
    cells, summary = _reconciled(capsys, home, [path])
    _check_sums(cells, summary)
    assert {cell["theirs"]["quantity"] for cell in cells if cell["kind"] == "usage"} <= {None, 0}
    found = {_place(cell): cell["class"] for cell in cells if cell["class"] != "equal"}
    assert found == invoice.expected
