"""Models on pages: what caches saved, re-added from the receipts; prices as the command has them; what if, likewise."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views import models, what_if
from otel_genai_cost.pages.what_ifs import Run, Runs
from otel_genai_cost.pricing.money import divide_half_even, format_money, parse_money
from otel_genai_cost.reports.what_if import Impact
from tests.cli.homes import home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant
from tests.ledger.rerating.test_terms import HALF
from tests.pages.views import ask, client_of, records, source_of

Capture = pytest.CaptureFixture[str]

_HOSTILE: Final = "<script>=\u202e/../%25"
_CORRECTED: Final = """SELECT (SELECT count(DISTINCT seq) FROM corrected),
 (SELECT count(*) FROM entries WHERE charge_id IN (SELECT charge_id FROM entries WHERE revision > 0))"""
_TIME: Final = "from=2026-11-01&to=2026-12-01"
_OPTIONS: Final = ("--from", "2026-11-01", "--to", "2026-12-01")
_BASES: Final = {"cache_read": "input", "cache_write_5m": "input"}


def _calls() -> Iterator[Any]:
    """Of two tenants: with caches and without, of a model that nobody knows, and one without a price for reads."""
    at_s = seconds_of("2026-11-20T10:00:00Z")
    kinds = [
        {"parts": {"cache_read": 512}},
        {"parts": {"cache_read": 7}, "tokens": (4_001, 33)},
        {},
        {"model": "gpt-4o-mini-2024-07-18", "parts": {"cache_read": 900}},
        {"model": "gpt-4-0613", "parts": {"cache_read": 512}},
        {"model": _HOSTILE, "parts": {"cache_read": 1}},
        {
            "parts": {"cache_read": 1_000}
        },  # all of the input: no receipt says what it would have cost
        {"model": "gpt-4o-mini-2024-07-18"},
    ]
    for n in range(40):
        yield observe(
            n + 1,
            trace=n + 1,
            start_s=at_s + n,
            end_s=at_s + n + 1,
            attribution=tenant(f"t{n % 2}"),
            response_id=f"r{n}",
            **kinds[n % len(kinds)],  # type: ignore[arg-type]
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(tmp_path_factory.mktemp("models") / "home", list(_calls()))


@pytest.fixture(scope="module")
def source(home: Path) -> Iterator[Source]:
    with source_of(home) as opened:
        yield opened


def _saved(charges: list[dict[str, Any]]) -> tuple[Fraction, int]:
    """What caches saved, by the lines of receipts alone; and the tokens of which no receipt says it."""
    saved, unknown = Fraction(0), 0
    for one in charges:
        lines = {line["leaf"]: line for line in one["lines"] if line["kind"] == "list"}
        for leaf, base in _BASES.items():
            quantity = one["usage"].get(leaf, 0)
            if not quantity:
                continue
            if leaf not in lines or base not in lines:
                unknown += quantity
                continue
            prices = [
                Fraction(parse_money(lines[name]["unit_price"]), lines[name]["per"])
                for name in (base, leaf)
            ]
            saved += quantity * (prices[0] - prices[1])
    return saved, unknown


def _check(found: list[dict[str, Any]], charges: list[dict[str, Any]]) -> None:
    assert {one["model"] for one in found} == {one["model"] for one in charges}
    for row in found:
        own = [one for one in charges if one["model"] == row["model"]]
        saved, unknown = _saved(own)
        cached = sum(one["usage"].get("cache_read", 0) for one in own)
        every = sum(n for one in own for leaf, n in one["usage"].items() if leaf != "output")
        assert (row["cached_tokens"], row["all_input_tokens"]) == (cached, every)
        assert row["cache_unknown_tokens"] == unknown
        if cached > unknown:
            atto = divide_half_even(saved.numerator, saved.denominator)
            assert row["cache_saved"] == format_money(atto)
        else:
            assert row["cache_saved"] is None
        if cached:
            assert abs(Fraction(row["cached_share"]) - Fraction(cached, every)) <= Fraction(
                1, 2_000_000
            )
        else:
            assert row["cached_share"] is None


def test_what_caches_saved_is_re_added_from_receipts(
    source: Source, home: Path, capsys: Capture
) -> None:
    charges = rows_of(capsys, "charges", "--ledger", str(home))
    found = records(ask(source, models.view, ""))
    _check(found, charges)
    known = {one["model"]: one for one in found}
    assert known["gpt-4o-2024-08-06"]["cache_unknown_tokens"] == 5 * 1_000
    assert known["gpt-4-0613"]["cache_saved"] is None
    one = rows_of(capsys, "charges", "--tenant", "t1", "--ledger", str(home))
    _check(records(ask(source, models.view, "tenant=t1")), one)


def test_the_columns_are_the_reports(source: Source, home: Path, capsys: Capture) -> None:
    told = rows_of(capsys, "report", "--by", "provider,model", *_OPTIONS, "--ledger", str(home))
    found = {one["model"]: one for one in records(ask(source, models.view, _TIME))}
    for row in told:
        assert {name: found[row["model"]][name] for name in row} == row


def test_what_was_corrected_counts_as_it_is_now(tmp_path: Path, capsys: Capture) -> None:
    """By contracts, which add lines, and by another book, which exchanges them; also where it was asked before."""
    home = str(home_of(tmp_path / "home", list(_calls())))
    (tmp_path / "half.toml").write_text(HALF.replace("acme", "t1"), encoding="utf-8")
    asked = ("--contracts-only", "--contracts", str(tmp_path / "half.toml"))
    with source_of(Path(home)) as earlier:
        _check(records(ask(earlier, models.view, "")), rows_of(capsys, "charges", "--ledger", home))
        assert call(capsys, "rerate", *asked, "--ledger", home).code == 0
        charges = rows_of(capsys, "charges", "--ledger", home)
        assert {one["revision"] for one in charges} == {0, 1}
        assert earlier.figures.refresh()
        _check(records(ask(earlier, models.view, "")), charges)
        with closing(earlier.figures.reading()) as reading:
            ((corrected, expected),) = reading.query(_CORRECTED).rows
            assert corrected == expected > 20
    with source_of(Path(home)) as opened:
        _check(records(ask(opened, models.view, "")), charges)


def test_of_the_price_side_nothing_is_said_of_cost(source: Source) -> None:
    for viewer in (Viewer("success"), Viewer("finance")):
        side = "&side=price" if viewer.role == "finance" else ""
        view = ask(source, models.view, f"model=gpt-4o-2024-08-06{side}", viewer)
        assert "cache_saved" not in (view.table.columns if view.table else ())
    hidden = ask(source, models.view, "model=gpt-4o-2024-08-06", Viewer("success"))
    assert hidden.values["histories"] == []


def test_prices_are_those_of_the_command(source: Source, capsys: Capture) -> None:
    told = rows_of(capsys, "prices", "history", "openai/gpt-4o-2024-08-06")
    view = ask(source, models.view, "model=gpt-4o-2024-08-06")
    (history,) = view.values["histories"]
    assert json.loads(json.dumps(history.records)) == told
    assert "<svg" in history.pictures[0]
    table = records(ask(source, models.view, "model=gpt-4o-2024-08-06&part=prices&format=csv"))
    assert [one["from"] for one in table] == [one["from"] for one in told]
    assert ask(source, models.view, f"model={_HOSTILE}").values["histories"] == []


def _impact(source: Source, address: str) -> list[dict[str, Any]]:
    return records(ask(source, what_if.view, f"{address}&format=csv&{_TIME}"))


@pytest.mark.parametrize(
    ("address", "options"),
    [
        (
            "model=gpt-4o-2024-08-06&instead=gpt-4o-mini",
            ("--instead", "gpt-4o=gpt-4o-mini", "--model", "gpt-4o-2024-08-06"),
        ),
        (
            "tenant=t1&model=gpt-4o-2024-08-06&instead=openai/gpt-4-0613",
            ("--instead", "gpt-4o=gpt-4-0613", "--tenant", "t1", "--model", "gpt-4o-2024-08-06"),
        ),
        ("cached=0.8", ("--cached", "0.8")),
        (
            "tenant=t0&model=gpt-4o-2024-08-06&instead=gpt-4o-mini&cached=0.333",
            (
                *("--instead", "gpt-4o=gpt-4o-mini", "--model", "gpt-4o-2024-08-06"),
                *("--tenant", "t0", "--cached", "0.333"),
            ),
        ),
    ],
)
def test_what_if_is_the_impact_of_the_command(
    source: Source, home: Path, capsys: Capture, address: str, options: tuple[str, ...]
) -> None:
    told = rows_of(capsys, "prices", "impact", *options, *_OPTIONS, "--ledger", str(home))
    assert _impact(source, address) == told
    assert told


def test_a_model_of_any_name_can_be_asked_of(source: Source) -> None:
    (one,) = _impact(source, f"model={_HOSTILE.replace('%', '%25')}&instead=gpt-4o-mini")
    assert (one["tenant"], one["charges"], one["before"]) == ("t1", 5, "0")
    assert one["unpriced_before"] == 5 > one["unpriced_after"] == 0


@pytest.mark.parametrize(
    "address", ["instead=no-such-model", "cached=2", "cached=lots", "instead=/"]
)
def test_what_cannot_be_asked_is_refused(source: Source, address: str) -> None:
    with pytest.raises(ConfigurationError):
        ask(source, what_if.view, address)


def test_nobody_sees_the_answer_to_anothers_question(source: Source) -> None:
    mine = ask(source, what_if.view, "cached=0.5").values["run"]
    assert mine.wait(60)
    again = ask(source, what_if.view, f"cached=0.5&run={mine.id}").values["run"]
    assert again is mine
    theirs = Viewer("engineer", ("t1",))
    other = ask(source, what_if.view, f"cached=0.5&run={mine.id}", theirs).values["run"]
    assert other is not mine
    assert other.wait(60)
    view = ask(source, what_if.view, f"cached=0.5&run={other.id}", theirs)
    assert {one["tenant"] for one in records(view)} == {"t1"}


def test_what_was_given_up_is_no_table(source: Source) -> None:
    run = ask(source, what_if.view, "cached=0.25").values["run"]
    assert run.wait(60)
    run.is_cut = True
    with pytest.raises(ConfigurationError, match="too many charges"):
        ask(source, what_if.view, f"cached=0.25&run={run.id}&format=csv")
    assert ask(source, what_if.view, f"cached=0.25&run={run.id}").values["records"]


def test_of_too_many_charges_the_newest_alone_are_said_to_be_in_it(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(what_if, "_CHARGES_MAX", 39)
    run = ask(source, what_if.view, "cached=0.75").values["run"]
    assert run.wait(60)
    assert (run.is_cut, run.done, run.whole) == (True, 39, "more than 39")
    with pytest.raises(ConfigurationError, match="39 of more than 39"):
        ask(source, what_if.view, f"cached=0.75&run={run.id}&format=csv")
    monkeypatch.setattr(what_if, "_CHARGES_MAX", 40)
    whole = ask(source, what_if.view, "cached=0.76").values["run"]
    assert whole.wait(60)
    assert (whole.is_cut, whole.whole) == (False, "40")


def test_a_question_is_given_up_after_a_while_and_says_so() -> None:
    runs = Runs()
    try:

        def slow(run: Run) -> dict[Any, Any]:
            parts = run.parts(iter(range(1_000)), 1_000)
            for n in parts:
                if n == 3:
                    run.stop()
            return {("t", "m", "USD"): Impact(run.done)}

        run = runs.begin("x", slow)
        assert run.wait(60)
        assert (run.is_cut, run.done, run.of, run.percent) == (True, 4, 1_000, 0)
        assert runs.find(run.id, "y") is None
        assert runs.find("nothing", "x") is None
        ended = Run("z", longest_s=-1.0)
        ended.work(lambda run: {("t", None, "USD"): Impact(len(list(run.parts([1, 2], 2))))})
        assert (ended.is_cut, ended.done, ended.is_over) == (True, 0, True)
    finally:
        runs.close()


def test_only_so_many_are_remembered() -> None:
    runs = Runs()
    try:
        begun = [runs.begin(n, lambda run: {}) for n in range(40)]
        assert runs.find(begun[0].id, 0) is None
        assert runs.find(begun[-1].id, 39) is begun[-1]
    finally:
        runs.close()


def test_the_pages_are_served(source: Source) -> None:
    with client_of(source) as client:
        page = client.get("/models", params={"period": "all"})
        assert page.status_code == 200
        assert "<script>=" not in page.text
        one = client.get("/models", params={"period": "all", "model": "gpt-4o-2024-08-06"})
        assert "<svg" in one.text and "style=" not in one.text
        assert "Prices of openai/gpt-4o-2024-08-06" in one.text
        asked = {"period": "all", "model": "gpt-4o-2024-08-06", "instead": "gpt-4o-mini"}
        answer = client.get("/what-if", params=asked)
        for _ in range(120):
            if 'http-equiv="refresh"' not in answer.text:
                break
            (address,) = [p for p in answer.text.split('"') if p.startswith("2; url=")]
            time.sleep(0.5)
            answer = client.get(address.removeprefix("2; url=").replace("&amp;", "&"))
        table = client.get("/what-if", params={**asked, "format": "csv"})
        rows = list(csv.DictReader(io.StringIO(table.text)))
        before = sum(parse_money(row["before"]) for row in rows)
        assert f'class="before" value="{format_money(before)}"' in answer.text
        ended = client.get("/what-if", params={**asked, "end": "1"}).text
        assert 'http-equiv="refresh"' not in ended, (
            "a page that is ended has what was known by then"
        )
        assert "as booked" in ended or "No calls" in ended
        assert client.get("/what-if", params={"period": "all"}).status_code == 200
        assert client.get("/what-if", params={"instead": "nothing-known"}).status_code == 400
