"""`reconcile`: what it prints, and what bad files get."""

from __future__ import annotations

import json
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.hold import Claim, Hold, HoldState, Place
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.reconciliation.bill import Billed, Cell
from otel_genai_cost.reconciliation.bills import Bills
from tests.cli.homes import days, week
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


_DAY = "2026-10-{:02},gpt-4o-2024-08-06,{},{},{},USD\n"


def _october(folder: Path, price: str = "0.0025") -> str:
    """A bill of ten days, of a call a day."""
    lines = [
        _DAY.format(day, leaf, quantity, amount)
        for day in range(18, 28)
        for leaf, quantity, amount in (("input", 1_000, price), ("output", 100, "0.001"))
    ]
    return _bill(folder, _HEAD + "".join(lines))


def _total(capsys: Capture, home: str) -> str:
    return str(rows_of(capsys, "report", "--by", "provider", "--ledger", home)[0]["total"])


def test_true_ups_are_posted_once_and_a_revised_bill_posts_the_difference(
    capsys: Capture, tmp_path: Path
) -> None:
    home = str(days(tmp_path / "home", 10))
    command = ("reconcile", "--provider", "openai", "--ledger", home, "--post")
    done = call(capsys, *command, _october(tmp_path, "0.003"))
    assert "0 true-up(s) posted" in done.err
    assert "20 cell(s) are not final" in done.err
    assert _total(capsys, home) == "0.035"
    done = call(capsys, *command, "--final", _october(tmp_path, "0.003"))
    assert "10 true-up(s) posted" in done.err
    assert _total(capsys, home) == "0.04"
    done = call(capsys, *command, "--final", _october(tmp_path, "0.003"))
    assert "0 true-up(s) posted" in done.err
    done = call(capsys, *command, "--final", _october(tmp_path, "0.0035"))
    assert "10 true-up(s) posted" in done.err
    assert _total(capsys, home) == "0.045"
    done = call(capsys, *command, "--final", _october(tmp_path))
    assert _total(capsys, home) == "0.035"
    entries = rows_of(capsys, "entries", "--ledger", home)
    assert [one["cause"] for one in entries].count("reconciled") == 30
    assert len({one["id"] for one in entries}) == len(entries)
    assert "changed" not in call(capsys, "rerate", "--dry-run", "--ledger", home).out
    assert len(rows_of(capsys, "charges", "--ledger", home)) == 10


def _lost(hold_id: str, at: str, provider: str = "openai", state: HoldState = "lost") -> Hold:
    """A call that went out ten minutes before an instant, for which a dollar is held."""
    place = Place("everything", "", 0)
    answer = {"expires_at": at, "retry_after_s": 0}
    return Hold(
        id=hold_id * 32,
        digest="d",
        state=state,
        amount=ATTO,
        currency="USD",
        tenant="acme",
        expires_us=microseconds(at),
        ends_us=microseconds("2027-01-01T00:00:00Z"),
        claims=(Claim(place, ATTO),),
        request=json.dumps({"provider": provider, "ttl_s": 600}),
        answer=json.dumps(answer),
    )


def test_what_was_held_for_lost_calls_ends_when_a_final_bill_is_booked(
    capsys: Capture, tmp_path: Path
) -> None:
    home = days(tmp_path / "home", 10)
    within, first, last = (
        f"2026-10-{day}" for day in ("20T12:00:00Z", "18T00:39:59Z", "27T23:30:01Z")
    )
    holds = [
        _lost("1", within),
        _lost("2", "2026-10-18T00:40:00Z", "OpenAI"),
        _lost("3", "2026-10-27T23:30:00Z"),
        _lost("4", first),
        _lost("5", last),
        _lost("6", within, "anthropic"),
        _lost("7", within, state="sent"),
        _lost("8", within, state="measured"),
        _lost("9", within)._replace(answer="{}"),
    ]
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        for hold in holds:
            ledger.holds.write(None, hold)
    bill, command = _october(tmp_path, "0.003"), ("reconcile", "--provider", "openai", "--post")
    done = call(capsys, *command, bill, "--ledger", str(home))
    assert "heard" not in done.err, "this bill may change"
    done = call(capsys, *command, bill, "--final", "--ledger", str(home))
    assert "10 true-up(s) posted" in done.err
    assert "3 hold(s) of calls of which nothing was heard end" in done.err
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        assert {hold.id[0] for hold in ledger.holds.open()} == set("456789")
        assert ledger.holds.sums(Place("everything", "", 0)).open == 6 * ATTO
        over = ledger.holds.find("1" * 32)
    assert over is not None
    assert over.measured(5).state == "measured", "what is heard of it later counts"
    assert "heard" not in call(capsys, *command, bill, "--final", "--ledger", str(home)).err


def test_what_was_posted_does_not_count_as_ours(capsys: Capture, tmp_path: Path) -> None:
    home = str(days(tmp_path / "home", 10))
    bill = _october(tmp_path, "0.003")
    command = ("reconcile", "--provider", "openai", "--ledger", home, "--final", bill)
    before = rows_of(capsys, *command)
    call(capsys, *command, "--post")
    assert rows_of(capsys, *command) == before


def test_a_part_of_a_bill_takes_nothing_back(capsys: Capture, tmp_path: Path) -> None:
    home = str(days(tmp_path / "home", 10))
    command = ("reconcile", "--provider", "openai", "--ledger", home, "--final", "--post")
    call(capsys, *command, _october(tmp_path, "0.003"))
    part = _bill(tmp_path, _HEAD + _DAY.format(18, "input", 1_000, "0.003"), "part.csv")
    assert "0 true-up(s) posted" in call(capsys, *command, part).err
    assert _total(capsys, home) == "0.04"


def test_a_bill_of_no_provider_takes_back_nothing_of_others(
    capsys: Capture, tmp_path: Path
) -> None:
    home = str(days(tmp_path / "home", 10))
    post = ("reconcile", "--ledger", home, "--final", "--post", "--provider")
    assert "10 true-up(s) posted" in call(capsys, *post, "openai", _october(tmp_path, "0.003")).err
    credit = "day,provider,kind,amount\n2026-10-{},{},credit,-0.001\n"
    own = [
        _bill(tmp_path, credit.format(day, provider), f"{provider}.csv")
        for day, provider in ((20, "acme-ai"), (21, "other-ai"))
    ]
    assert "1 true-up(s) posted" in call(capsys, *post, "csv", own[0]).err
    assert _total(capsys, home) == "0.04"
    both = ("--from", "2026-10-20", "--to", "2026-10-21")
    alone = call(capsys, *post, "csv", own[1], *both)
    assert (alone.code, len(alone.err.splitlines())) == (2, 1), alone.err
    assert "lines of other files of these days are kept: 1;" in alone.err
    assert "1 true-up(s) posted" in call(capsys, *post, "csv", *own).err
    assert "0 true-up(s) posted" in call(capsys, *post, "openai", _october(tmp_path, "0.003")).err
    nobodys = _bill(tmp_path, "day,kind,amount\n2026-10-25,credit,-0.001\n", "nobodys.csv")
    done = call(capsys, *post, "csv", nobodys)
    assert (done.code, "no line names a provider" in done.err) == (2, True)
    assert _total(capsys, home) == "0.04"


def test_coverage_says_what_of_the_bill_is_known(capsys: Capture, tmp_path: Path) -> None:
    home = str(days(tmp_path / "home", 10))
    coverage = ("coverage", "--month", "2026-10", "--ledger", home)
    (row,) = rows_of(capsys, *coverage)
    assert (row["billed"], row["unexplained"]) == (None, None)
    bill = _october(tmp_path)
    with Path(bill).open("a", encoding="utf-8") as file:
        file.write("2026-10-20,nobody-calls-it,input,10,0.0150,USD\n2026-10-21,,,,0.001,USD\n")
    call(capsys, "reconcile", "--provider", "openai", bill, "--ledger", home)
    (row,) = rows_of(capsys, *coverage)
    assert (row["billed"], row["unexplained"]) == ("0.051", "0.001")
    assert (row["captured_share"], row["attributed_share"]) == ("0.6862", "0.6862")
    assert [one["provider"] for one in row["bills"]] == ["openai"]
    assert "billed by openai, USD" in call(capsys, *coverage).out
    (row,) = rows_of(capsys, "coverage", "--month", "2026-09", "--ledger", home)
    assert row["billed"] is None


@pytest.mark.parametrize(("zone", "share"), [("UTC", "1.0000"), ("Pacific/Pago_Pago", "0.0000")])
def test_coverage_counts_the_days_that_a_bill_counts(
    capsys: Capture, tmp_path: Path, zone: str, share: str
) -> None:
    """A call at 10 in the morning of UTC is one of the day before there."""
    home = days(tmp_path / "home", 1)
    cell = Cell("2026-10-18", "usage", "gpt-4o-2024-08-06", "input", None, "", "USD")
    billed = Billed(Fraction(1_000), ATTO // 400, None, 0, False)
    with closing(Bills(home)) as bills:
        bills.keep("openai", {cell: billed}, [("digest", "bill.csv")], 0, zone=zone)
    (row,) = rows_of(capsys, "coverage", "--month", "2026-10", "--ledger", str(home))
    assert row["captured_share"] == share


def test_the_calls_behind_a_cell_are_named(capsys: Capture, tmp_path: Path) -> None:
    home = str(days(tmp_path / "home", 10))
    command = ("reconcile", "--provider", "openai", "--ledger", home, "--calls")
    *cells, _ = rows_of(capsys, *command, _october(tmp_path, "0.003"))
    charges = {
        one["occurred"][:10]: one["charge_id"]
        for one in rows_of(capsys, "charges", "--ledger", home)
    }
    for cell in cells:
        expected = [charges[cell["day"]]] if cell["class"] != "equal" else None
        assert cell.get("calls") == expected


def test_a_currency_without_a_rate_is_told_and_never_added(capsys: Capture, tmp_path: Path) -> None:
    home = str(days(tmp_path / "home", 2))
    line = _DAY.format(18, "input", 1_000, "0.002").replace("USD", "EUR")
    bill = _bill(tmp_path, _HEAD + line + _DAY.format(18, "output", 100, "0.001"))
    command = ("reconcile", "--provider", "openai", "--ledger", home, bill)
    done = call(capsys, *command, "--json")
    assert "no exchange rate of EUR" in done.err
    summaries = {
        row["summary"]["currency"]: row["summary"] for row in done.rows if "summary" in row
    }
    assert summaries["EUR"]["theirs"] == summaries["EUR"]["unexplained"] == "0.002"
    assert summaries["USD"]["theirs"] == "0.001"
    found = {
        (row["token_type"], row["currency"]): row["class"] for row in done.rows if "day" in row
    }
    assert found == {
        ("input", "EUR"): "unknown",
        ("input", "USD"): "unknown",
        ("output", "USD"): "equal",
    }


def test_a_currency_is_converted_by_the_rate_of_its_day(capsys: Capture, tmp_path: Path) -> None:
    home = days(tmp_path / "home", 1)
    contracts = _bill(
        tmp_path,
        """schema = "otel-genai-cost-contracts/1"
[[fx]]
base = "EUR"
quote = "USD"
rate = 1.25
from = 2026-10-01T00:00:00Z
source = "the bank"
""",
        "contracts.toml",
    )
    assert (
        call(capsys, "ship", "--drain", "--contracts", contracts, "--ledger", str(home)).code == 0
    )
    line = _DAY.format(18, "input", 1_000, "0.002") + _DAY.format(18, "output", 100, "0.0008")
    bill = _bill(tmp_path, _HEAD + line.replace("USD", "EUR"))
    rows = rows_of(capsys, "reconcile", "--provider", "openai", "--ledger", str(home), bill)
    assert {row["class"] for row in rows if "day" in row} == {"equal"}
    assert rows[-1]["summary"]["theirs"] == "0.0035"
