"""Daily questions: filters, times, zones, order, the rest of a ranking, and what has no price."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.cli.groups import _completed  # pyright: ignore[reportPrivateUsage]
from tests.cli.command import run
from tests.cli.homes import held, home_of, seconds_of, week
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with held(week(tmp_path_factory.mktemp("week"))) as folder:
        yield str(folder)


def test_costliest_first_and_times_in_order(home: str, capsys: Capture) -> None:
    told = [row["tenant"] for row in rows_of(capsys, "report", "--ledger", home)]
    assert told == ["acme", "t5", "t4", "t3", "t2", "t1", None]
    told = [row["tenant"] for row in rows_of(capsys, "report", "--sort", "name", "--ledger", home)]
    assert told == ["acme", "t1", "t2", "t3", "t4", "t5", None]
    hours = [row["hour"] for row in rows_of(capsys, "report", "--by", "hour", "--ledger", home)]
    assert hours == ["2026-11-20T10:00:00Z"]


@pytest.mark.parametrize(
    ("options", "calls", "total"),
    [
        (("--tenant", "t2"), 2, "0.007"),
        (("--tenant", "t2", "--tenant", "t3"), 5, "0.0175"),
        (("--tenant", "unattributed"), 1, "0.00021"),
        (("--model", "gpt-4o-mini-2024-07-18"), 1, "0.00021"),
        (("--feature", "search"), 6, "0.021"),
        (("--feature", "search", "--tenant", "t4"), 2, "0.007"),
        (("--feature", "-"), 4, "0.00021"),
        (("--from", "2026-11-20T10:01:00Z", "--to", "2026-11-20T10:05:00Z"), 2, "0.007"),
        (("--from", "2026-11-20", "--to", "2026-11-21"), 19, "0.05271"),
        (("--since", "2026-11-20"), 19, "0.05271"),
        (("--last", "9999w"), None, None),
    ],
)
def test_the_same_selection_on_every_report(
    home: str, capsys: Capture, options: tuple[str, ...], calls: int | None, total: str | None
) -> None:
    if calls is None:
        assert call(capsys, "report", *options, "--ledger", home).code == 2
        return
    for rows in (
        rows_of(capsys, "report", *options, "--ledger", home),
        rows_of(capsys, "charges", *options, "--ledger", home),
        rows_of(capsys, "entries", *options, "--ledger", home),
    ):
        assert sum(row["calls"] for row in rows) == calls
    rows = rows_of(capsys, "top", *options, "--minutes", "60000000", "--ledger", home)
    assert sum(row["calls"] for row in rows) == calls
    charged = rows_of(capsys, "charges", *options, "--ledger", home)
    known = [Decimal(row["total"]) for row in charged if row["total"] is not None]
    assert sum(known) == Decimal(str(total))


def test_page_of_a_selection(home: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    options = ("--tenant", "t3", "--tz", "Asia/Kolkata", "--html", str(path))
    assert call(capsys, "report", *options, "--ledger", home).code == 0
    text = path.read_text()
    assert "0.0105" in text
    assert "only of tenant t3" in text
    assert "t4" not in text
    assert "2026-11-20T15:" in text, "ten in UTC is half past three in India"


def test_the_rest_of_a_ranking_and_the_true_total(home: str, capsys: Capture) -> None:
    options = ("--minutes", "60000000", "--limit", "3", "--tenant")
    named = ("t1", "--tenant", "t2", "--tenant", "t3", "--tenant", "t4", "--tenant", "t5")
    done = call(capsys, "top", *options, *named, "--ledger", home)
    lines = [line.split() for line in done.out.splitlines() if line]
    assert [line[0] for line in lines[2:]] == ["t5", "t4", "t3", "others", "all"]
    assert lines[-2][1:] == ["3", "3", "0", "0.0105", "USD"]
    assert lines[-1][1:] == ["15", "15", "0", "0.0525", "USD"]


def test_a_ranking_is_of_each_currency(capsys: Capture, tmp_path: Path) -> None:
    contracts = tmp_path / "contracts.toml"
    contracts.write_text(
        'schema = "otel-genai-cost-contracts/1"\n[[contract]]\nid = "e"\nsource = "s"\norder = 1\n'
        'from = 2026-01-01T00:00:00Z\nmatch = { tenant = ["e1", "e2"] }\ncurrency = "EUR"\n'
        '[[fx]]\nbase = "USD"\nquote = "EUR"\nrate = 0.5\nfrom = 2026-01-01T00:00:00Z\nsource = "s"\n'
    )
    found = [
        observe(n, trace=n, start_s=n * 60, end_s=n * 60 + 1, attribution=tenant(name))
        for n, name in enumerate(("e1", "u1", "e2", "u2"), start=1)
    ]
    home = home_of(tmp_path / "home", found)
    assert call(capsys, "rerate", "--contracts", str(contracts), "--ledger", str(home)).code == 0
    options = ("--minutes", "60000000", "--limit", "1")
    done = call(capsys, "top", *options, "--ledger", str(home))
    lines = [line.split() for line in done.out.splitlines() if line][2:]
    assert [(line[0], line[-2], line[-1]) for line in lines] == [
        ("e1", "0.00175", "EUR"),
        ("u1", "0.00350", "USD"),
        ("others", "0.00175", "EUR"),
        ("others", "0.00350", "USD"),
        ("all", "0.00350", "EUR"),
        ("all", "0.00700", "USD"),
    ]


_CLOCK = ("00:30", "01:30")
"""Half past two in Berlin, twice: before and after the clock is put back on 2026-10-25."""


@pytest.fixture(scope="module")
def autumn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ends = [f"2026-10-25T{clock}:00Z" for clock in _CLOCK]
    ends += ["2026-10-24T22:30:00Z", "2026-10-25T23:30:00Z", "2026-12-31T23:30:00Z"]
    found = [
        observe(n, trace=n, start_s=seconds_of(end) - 1, end_s=seconds_of(end))
        for n, end in enumerate(ends, start=1)
    ]
    with held(home_of(tmp_path_factory.mktemp("autumn"), found)) as folder:
        yield str(folder)


@pytest.mark.parametrize(
    ("by", "zone", "keys"),
    [
        (
            "hour",
            "Europe/Berlin",
            [
                ("2026-10-25T00:00:00+02:00", 1),
                ("2026-10-25T02:00:00+02:00", 1),
                ("2026-10-25T02:00:00+01:00", 1),
                ("2026-10-26T00:00:00+01:00", 1),
                ("2027-01-01T00:00:00+01:00", 1),
            ],
        ),
        (
            "day",
            "Europe/Berlin",
            [
                ("2026-10-25T00:00:00+02:00", 3),
                ("2026-10-26T00:00:00+01:00", 1),
                ("2027-01-01T00:00:00+01:00", 1),
            ],
        ),
        (
            "week",
            "Europe/Berlin",
            [
                ("2026-10-19T00:00:00+02:00", 3),
                ("2026-10-26T00:00:00+01:00", 1),
                ("2026-12-28T00:00:00+01:00", 1),
            ],
        ),
        (
            "month",
            "Europe/Berlin",
            [("2026-10-01T00:00:00+02:00", 4), ("2027-01-01T00:00:00+01:00", 1)],
        ),
        ("month", "UTC", [("2026-10-01T00:00:00Z", 4), ("2026-12-01T00:00:00Z", 1)]),
        (
            "hour",
            "Asia/Kolkata",
            [
                ("2026-10-25T04:00:00+05:30", 1),
                ("2026-10-25T06:00:00+05:30", 1),
                ("2026-10-25T07:00:00+05:30", 1),
                ("2026-10-26T05:00:00+05:30", 1),
                ("2027-01-01T05:00:00+05:30", 1),
            ],
        ),
    ],
)
def test_hours_and_days_of_a_zone(
    autumn: str, capsys: Capture, by: str, zone: str, keys: list[tuple[str, int]]
) -> None:
    rows = rows_of(capsys, "report", "--by", by, "--tz", zone, "--ledger", autumn)
    assert [(row[by], row["calls"]) for row in rows] == keys


def test_a_date_is_the_zones(autumn: str, capsys: Capture) -> None:
    """The day on which the clock is put back has 25 hours, from 22:00 UTC to 23:00 UTC."""
    options = ("--from", "2026-10-25", "--to", "2026-10-26", "--ledger", autumn)
    (row,) = rows_of(capsys, "report", "--tz", "Europe/Berlin", *options)
    assert row["calls"] == 3
    (row,) = rows_of(capsys, "report", *options)
    assert row["calls"] == 3
    (row,) = rows_of(capsys, "report", "--tz", "America/New_York", *options)
    assert row["calls"] == 1


def test_a_page_over_the_change_of_the_clock(autumn: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    options = ("--tz", "Europe/Berlin", "--to", "2026-10-27", "--html", str(path))
    assert call(capsys, "report", *options, "--ledger", autumn).code == 0
    assert "10-25 02:00</td><td>0.0035</td></tr><tr><td>10-25 02:00</td>" in path.read_text()


def test_unpriced_names_the_leaf_and_the_lower_bound(home: str, capsys: Capture) -> None:
    rows = {row["model"]: row for row in rows_of(capsys, "unpriced", "--ledger", home)}
    partial = rows["gpt-4-0613"]
    assert (partial["reason"], partial["lacks"]) == ("unpriced_component", ["cache_read"])
    # 488 fresh tokens at 30 and 100 out at 60 USD a million
    assert (partial["partial"], partial["at_least"]) == (1, "0.02064")
    assert "cache_read" in partial["remedy"]
    assert (rows["house-model"]["lacks"], rows["house-model"]["at_least"]) == ([], None)
    (row,) = rows_of(capsys, "report", "--model", "gpt-4-0613", "--ledger", home)
    assert (row["total"], row["at_least"]) == (None, "0.02064")
    done = call(capsys, "report", "--model", "gpt-4-0613", "--ledger", home)
    assert ">= 0.02064" in done.out
    done = call(capsys, "explain", partial["charge_id"], "--ledger", home)
    assert "no rate for cache_read" in done.out


def test_banner_names_the_models(home: str, capsys: Capture, tmp_path: Path) -> None:
    done = call(capsys, "report", "--ledger", home)
    assert "3 calls have no price" in done.err
    assert "openai/house-model (unknown_model, 1)" in done.err
    path = tmp_path / "page.html"
    call(capsys, "report", "--html", str(path), "--ledger", home)
    assert "<code>house-model</code>" in path.read_text()


def test_no_amount_that_is_unknown_is_shown_as_zero(home: str, capsys: Capture) -> None:
    done = call(capsys, "charges", "--tenant", "acme", "--ledger", home)
    cells = {line.split()[3]: line.split()[5] for line in done.out.splitlines()[2:4]}
    assert cells == {"gpt-4-0613": ">=", "house-model": "-"}


def test_explain_by_the_providers_response_id(home: str, capsys: Capture) -> None:
    (record,) = rows_of(capsys, "explain", "chatcmpl-3-1", "--ledger", home)
    assert (record["response_id"], record["net"][0]["tenant"]) == ("chatcmpl-3-1", "t3")
    done = call(capsys, "explain", "chatcmpl-3-1", "--ledger", home)
    assert "chatcmpl-3-1" in done.out
    done = call(capsys, "explain", "chatcmpl-twice", "--ledger", home)
    assert [line.split()[3] for line in done.out.splitlines()[2:]] == ["gpt-4-0613", "house-model"]
    assert "2 calls have this response id" in done.err
    assert call(capsys, "explain", "chatcmpl", "--ledger", home).code == 2


def test_charges_have_what_an_invoice_is_matched_by(home: str, capsys: Capture) -> None:
    told = {
        row["response_id"] for row in rows_of(capsys, "charges", "--tenant", "t2", "--ledger", home)
    }
    assert told == {"chatcmpl-2-0", "chatcmpl-2-1"}
    done = call(capsys, "charges", "--csv", "--tenant", "t2", "--ledger", home)
    assert {row["response_id"] for row in csv.DictReader(io.StringIO(done.out))} == told


def test_what_another_model_would_have_cost(home: str, capsys: Capture) -> None:
    options = ("--instead", "gpt-4o=gpt-4o-mini", "--tenant", "t2", "--ledger", home)
    (row,) = rows_of(capsys, "prices", "impact", *options)
    assert (row["charges"], row["before"], row["after"]) == (2, "0.007", "0.00042")
    assert row["difference"] == "-0.00658"
    rows = rows_of(
        capsys,
        "prices",
        "impact",
        "--instead",
        "openai/gpt-4o=openai/gpt-4o-mini",
        "--ledger",
        home,
    )
    assert {row["model"] for row in rows} == {"gpt-4o-2024-08-06"}, "the others keep their price"
    rows = rows_of(
        capsys, "prices", "impact", "--instead", "house-model=gpt-4o-mini", "--ledger", home
    )
    assert [(row["after"], row["unpriced_after"]) for row in rows] == [("0.00021", 0)]
    rows = rows_of(
        capsys,
        "prices",
        "impact",
        "--instead",
        "gpt-4o=gpt-4o-mini",
        "--from",
        "2026-11-21",
        "--ledger",
        home,
    )
    assert rows == []


def test_what_more_caching_would_have_saved(home: str, capsys: Capture) -> None:
    options = ("--cached", "0.8", "--tenant", "t2", "--ledger", home)
    (row,) = rows_of(capsys, "prices", "impact", *options)
    reads, uncached, written = 800 * Decimal("1.25"), 200 * Decimal("2.5"), 100 * Decimal(10)
    assert Decimal(row["after"]) == 2 * (reads + uncached + written) / 1_000_000
    assert (row["charges"], row["before"], row["changed"]) == (2, "0.007", 2)
    both = ("--instead", "gpt-4o=gpt-4o-mini", "--cached", "1", "--tenant", "t2", "--ledger", home)
    (row,) = rows_of(capsys, "prices", "impact", *both)
    reads, written = 1_000 * Decimal("0.075"), 100 * Decimal("0.6")
    assert Decimal(row["after"]) == 2 * (reads + written) / 1_000_000
    (same,) = rows_of(
        capsys, "prices", "impact", "--cached", "0", "--tenant", "t2", "--ledger", home
    )
    assert (same["after"], same["changed"]) == ("0.007", 0)


def test_a_model_without_a_price_for_reads_has_none_then(home: str, capsys: Capture) -> None:
    options = ("--instead", "gpt-4o=gpt-4-0613", "--cached", "0.5", "--tenant", "t1")
    (row,) = rows_of(capsys, "prices", "impact", *options, "--ledger", home)
    assert (row["unpriced_before"], row["unpriced_after"]) == (0, 1)


@pytest.mark.parametrize("text", ["2", "-0.1", "80%", "lots"])
def test_caching_of_no_share_is_refused(home: str, capsys: Capture, text: str) -> None:
    done = call(capsys, "prices", "impact", f"--cached={text}", "--ledger", home)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("text", ["gpt-4o", "=x", "gpt-4o=no-such-model", "gpt-4o=openai/nothing"])
def test_what_if_of_nothing_is_refused(home: str, capsys: Capture, text: str) -> None:
    done = call(capsys, "prices", "impact", "--instead", text, "--ledger", home)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)


def test_groups_are_completed() -> None:
    assert _completed("ten") == ["tenant", "tenant_plan"]
    assert _completed("tenant,mo") == ["tenant,model", "tenant,month"]
    assert "tenant,tenant" not in _completed("tenant,t")


def test_shell_completes_groups() -> None:
    env = {
        "_GENAI_COST_COMPLETE": "complete_bash",
        "COMP_WORDS": "genai-cost report --by tenant,mo",
        "COMP_CWORD": "3",
    }
    done = run(env=env)
    assert done.stdout.split() == ["tenant,model", "tenant,month"]


def test_json_is_as_it_was(home: str, capsys: Capture) -> None:
    done = call(capsys, "report", "--json", "--ledger", home)
    assert list(json.loads(done.out.splitlines()[0]))[:6] == [
        "tenant",
        "calls",
        "priced",
        "unpriced",
        "total",
        "currency",
    ]
