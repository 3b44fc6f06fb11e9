"""`reconcile`: what it prints, and what bad files get."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.homes import week
from tests.cli.program import call, rows_of

Capture = pytest.CaptureFixture[str]

_HEAD = "day,model,token_type,quantity,amount,currency\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(week(tmp_path_factory.mktemp("week")))


def _bill(folder: Path, text: str, name: str = "bill.csv") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_cell_has_the_names_that_others_script_against(
    capsys: Capture, home: str, tmp_path: Path
) -> None:
    bill = _bill(tmp_path, f"{_HEAD}2026-11-20,gpt-4o-2024-08-06,input,16000,0.04,USD\n")
    rows = rows_of(capsys, "reconcile", "--provider", "openai", bill, "--ledger", home)
    cell = next(
        row for row in rows if row["model"] == "gpt-4o-2024-08-06" and row["token_type"] == "input"
    )
    assert {"day", "model", "token_type", "key", "ours", "theirs", "volume", "rate"} <= {*cell}
    assert cell["ours"] == {"quantity": 15_000, "amount": "0.0375"}
    assert cell["theirs"] == {"quantity": 16_000, "amount": "0.04"}
    assert (cell["volume"], cell["rate"], cell["class"], cell["unexplained"]) == (
        *("0.0025", "0", "volume", "0"),
    )
    names = {"ours", "theirs", "explained", "unexplained", "unexplained_share"}
    assert names <= {*rows[-1]["summary"]}


def test_every_problem_is_told_at_once_with_file_and_line(
    capsys: Capture, home: str, tmp_path: Path
) -> None:
    one = _bill(
        tmp_path, f"{_HEAD}yesterday,gpt-4o,input,1,1,USD\n2026-11-20,gpt-4o,input,1,much,USD\n"
    )
    page = {"object": "page", "data": [], "has_more": False}
    result = {"object": "organization.costs.result", "amount": {"value": 1, "currency": "dollars"}}
    page["data"] = [{"object": "bucket", "start_time": 1_795_305_600, "results": [result]}]
    two = _bill(tmp_path, json.dumps(page, indent=1), "costs.json")
    done = call(capsys, "reconcile", "--provider", "openai", one, two, "--ledger", home)
    assert (done.code, done.out) == (2, "")
    assert f"{one}:2: no day: 'yesterday'" in done.err
    assert f"{one}:3: not an amount: 'much'" in done.err
    assert f"{two}:8: no currency: 'dollars'" in done.err


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "it is empty"),
        ('{"object": "page", "data": [{"obj', "not JSON, or cut off"),
        (f"{_HEAD}2026-11-20,gpt-4o,inp", "cut off?"),
        ('{"object": "page", "data": [], "has_more": true}', "more pages"),
        ("a,b\n1,2\n", "no format that is known"),
        (f"{_HEAD}2026-11-20,gpt-4o,cabbage,1,1,USD\n", "no token type that is known"),
        (f"{_HEAD}2026-11-20,gpt-4o,input,NaN,1,USD\n", "not a quantity"),
        (f"{_HEAD}2026-11-20,gpt-4o,input,1,1e999,USD\n", "no bill is of so much"),
    ],
)
def test_a_file_that_is_cut_off_or_none_is_refused(
    capsys: Capture, home: str, tmp_path: Path, text: str, what: str
) -> None:
    bill = _bill(tmp_path, text)
    done = call(capsys, "reconcile", "--provider", "openai", bill, "--ledger", home)
    assert (done.code, done.out) == (2, "")
    assert what in done.err


def test_pages_of_which_the_last_is_missing_are_refused(
    capsys: Capture, home: str, tmp_path: Path
) -> None:
    result = {"object": "organization.costs.result", "amount": {"value": 1, "currency": "usd"}}
    bucket = {"object": "bucket", "start_time": 1_795_305_600, "results": [result]}
    page = {"object": "page", "data": [bucket], "has_more": True, "next_page": "abc"}
    first = _bill(tmp_path, json.dumps(page), "1.json")
    done = call(capsys, "reconcile", "--provider", "openai", first, "--ledger", home)
    assert done.code == 2
    assert "more pages" in done.err
    last = _bill(tmp_path, json.dumps({**page, "has_more": False, "data": []}), "2.json")
    done = call(capsys, "reconcile", "--provider", "openai", first, last, "--ledger", home)
    assert done.code == 0, done.err


def test_a_file_that_is_named_twice_counts_once(capsys: Capture, home: str, tmp_path: Path) -> None:
    bill = _bill(tmp_path, f"{_HEAD}2026-11-20,gpt-4o-2024-08-06,input,15000,0.0375,USD\n")
    done = call(capsys, "reconcile", "--provider", "openai", bill, bill, "--ledger", home, "--json")
    assert "once more, and counted once" in done.err
    cell = next(
        row
        for row in done.rows
        if row["model"] == "gpt-4o-2024-08-06" and row["token_type"] == "input"
    )
    assert cell["class"] == "equal"


def test_a_bill_that_is_revised_or_cut_off_is_told(
    capsys: Capture, home: str, tmp_path: Path
) -> None:
    line = "2026-11-21,gpt-4o-2024-08-06,{},100,{},USD\n"
    whole = _HEAD + line.format("input", 1) + line.format("output", 2)
    command = ("reconcile", "--provider", "openai", "--ledger", home)
    call(capsys, *command, _bill(tmp_path, whole))
    done = call(capsys, *command, _bill(tmp_path, _HEAD + line.format("input", 1)))
    assert "may be cut off" in done.err
    done = call(capsys, *command, _bill(tmp_path, whole.replace("output,100,2", "output,100,3")))
    assert "a revised bill: 1 cell(s) changed" in done.err


def test_a_zero_does_not_make_a_price(capsys: Capture, home: str, tmp_path: Path) -> None:
    """What the bill has and we have no price for is a difference of the rate."""
    bill = _bill(tmp_path, f"{_HEAD}2026-11-20,house-model,input,1000,0.5,USD\n")
    rows = rows_of(capsys, "reconcile", "--provider", "openai", bill, "--ledger", home)
    cell = next(row for row in rows if row.get("model") == "house-model")
    assert cell["ours"] == {"quantity": 1_000, "amount": "0"}
    assert (cell["class"], cell["rate"]) == ("rate", "0.5")
