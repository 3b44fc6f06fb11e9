"""Grants are written down once, all of what was asked for or nothing, whoever else grants meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import GrantConflictError, GrantsError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.granting import grant_credit
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.projections.credit_entries import NOW_US, at

_GRANT: dict[str, Any] = {"tenant": "acme", "currency": "USD", "amount": "10", "ref": "a"}


def _refs(home: Path) -> list[str]:
    ship(home, ())
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    try:
        return [one.grant.ref for one in ledger.credits.grants()]
    finally:
        ledger.close()


@pytest.mark.parametrize("shipped", [False, True])
def test_a_grant_that_comes_again_is_the_same(tmp_path: Path, shipped: bool) -> None:
    ledger = tmp_path / LEDGER_FILE
    (first,) = grant_credit(ledger, [_GRANT], NOW_US)
    if shipped:
        ship(tmp_path, ())
    (again,) = grant_credit(ledger, [{**_GRANT, "amount": "10.00"}], NOW_US + 7)
    assert (first.is_new, again.is_new, again.grant) == (True, False, first.grant)
    with pytest.raises(GrantConflictError, match="'a' was used for another grant"):
        grant_credit(ledger, [{**_GRANT, "ref": "b"}, {**_GRANT, "expires": at(9)}], NOW_US)
    assert _refs(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "-1"),
        ("amount", "0"),
        ("amount", "NaN"),
        ("amount", "1e30"),
        ("amount", "0.0000000000000000001"),
        ("amount", 1.5),
        ("amount", True),
        ("currency", "XQX"),
        ("currency", "usd"),
        ("currency", ["USD"]),
        ("tenant", "a b"),
        ("tenant", ""),
        ("ref", ""),
        ("ref", "r" * 257),
        ("priority", 101),
        ("priority", -1),
        ("priority", 1.0),
        ("from", "2026-11-29"),
        ("from", "2026-11-29T10:00:00"),
        ("expires", at(0)),
        ("expires", "never"),
        ("kind", "gift"),
        ("kind", []),
        ("cost_basis", "-0.1"),
        ("amuont", "1"),
    ],
)
def test_one_broken_grant_keeps_all_of_them_back(tmp_path: Path, field: str, value: object) -> None:
    broken = {**_GRANT, "ref": "b", field: value}
    with pytest.raises(GrantsError) as raised:
        grant_credit(tmp_path / LEDGER_FILE, [_GRANT, broken], NOW_US)
    (problem,) = raised.value.problems
    assert field in problem.what and problem.remedy
    assert _refs(tmp_path) == []


def test_every_problem_is_said_in_one_go(tmp_path: Path) -> None:
    broken = [{}, {**_GRANT, "amount": "-1", "kind": "gift"}, {**_GRANT}, {**_GRANT, "amount": 11}]
    with pytest.raises(GrantsError) as raised:
        grant_credit(tmp_path / LEDGER_FILE, broken, NOW_US)
    assert [one.file for one in raised.value.problems] == [
        *["grants, grant 1"] * 4,
        *["grants, grant 2"] * 2,
        "grants",
    ]


def test_more_than_a_line_of_the_journal_holds_is_refused(tmp_path: Path) -> None:
    many = [{**_GRANT, "ref": f"{n:0200d}"} for n in range(3_000)]
    with pytest.raises(GrantsError, match="too many"):
        grant_credit(tmp_path / LEDGER_FILE, many, NOW_US)
    assert len(grant_credit(tmp_path / LEDGER_FILE, many[:500], NOW_US)) == 500
    assert len(_refs(tmp_path)) == 500


def test_of_many_who_grant_the_same_one_does(tmp_path: Path) -> None:
    def grant(n: int) -> bool:
        try:
            asked = {**_GRANT, "amount": 1 + n % 2}
            return grant_credit(tmp_path / LEDGER_FILE, [asked], NOW_US)[0].is_new
        except GrantConflictError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(grant, range(16))) == 1
    assert _refs(tmp_path) == ["a"]
