"""Sinks that are added to a ledger, what of them is refused, and whether they have what the ledger has."""

from __future__ import annotations

import stat
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest

from otel_genai_cost.cli.configured_sinks import read_sinks
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.duckdb import DuckDBSink
from otel_genai_exporters.otlp.position import Position
from tests.cli.homes import home_of
from tests.cli.program import call, rows_of
from tests.cli.two_at_once import two_at_once
from tests.exporters.entries import entries
from tests.ledger.build import observe, tenant

Capture = pytest.CaptureFixture[str]
_DAY_S = 86_400


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Four calls on two days, of two tenants and nobody."""
    whose = (tenant("acme"), tenant("beta"), tenant("acme"), tenant(None))
    calls = [
        observe(
            n, trace=n, start_s=n * _DAY_S // 2, end_s=n * _DAY_S // 2 + 1, attribution=attribution
        )
        for n, attribution in enumerate(whose, start=1)
    ]
    return home_of(tmp_path, calls)


def _add(capsys: Capture, home: Path, name: str = "second") -> None:
    assert call(capsys, "sinks", "add", name, "--kind", "duckdb", "--ledger", str(home)).code == 0


def test_a_sink_that_is_added_is_listed_fed_and_equal(home: Path, capsys: Capture) -> None:
    _add(capsys, home)
    at = ("--ledger", str(home))
    (_, second) = rows_of(capsys, "sinks", "list", *at)
    assert (second["sink"], second["seq"], second["behind"]) == ("second", 0, 4)
    assert rows_of(capsys, "sinks", "verify", "second", *at) == []
    assert call(capsys, "ship", *at).code == 0
    found = rows_of(capsys, "sinks", "verify", "second", *at)
    assert sum(row["ledger"]["count"] for row in found) == 4
    assert {row["currency"] for row in found} == {"USD"}
    assert all(row["equal"] and row["ledger"] == row["sink_has"] for row in found)
    assert len({row["day"] for row in found}) == 3
    done = call(capsys, "sinks", "verify", "second", *at)
    assert (done.code, done.out.splitlines()[-1]) == (0, "equal to the last digit")
    assert "compared as far as it is fed: 4 of 4" in done.err


def test_two_that_are_changed_at_once_are_both_as_was_said(home: Path, capsys: Capture) -> None:
    at = ("--ledger", str(home))
    first, second, third = (
        ("sinks", "add", name, "--kind", "duckdb", *at) for name in ("first", "second", "third")
    )
    path = home / "sinks.toml"
    assert two_at_once(path, first, second) == [0, 0]
    assert list(read_sinks(home)) == ["first", "second"]
    assert two_at_once(path, third, ("sinks", "remove", "first", *at)) == [0, 0]
    assert list(read_sinks(home)) == ["second", "third"]
    assert two_at_once(path, first, first) == [0, 2]  # there is such a sink by then


def test_what_was_added_and_removed_is_said_as_json(home: Path, capsys: Capture) -> None:
    at = ("--ledger", str(home))
    said = {"sink": "second", "kind": "duckdb", "options": {}}
    assert rows_of(capsys, "sinks", "add", "second", "--kind", "duckdb", *at) == [said]
    assert rows_of(capsys, "sinks", "remove", "second", *at) == [said]


def test_the_file_is_for_its_owner(home: Path, capsys: Capture) -> None:
    path = home / "sinks.toml"
    seen: list[int] = []
    replace = Path.replace

    def seen_and_replaced(self: Path, target: Path) -> Path:
        """As it is there first, whoever is killed then."""
        seen.append(stat.S_IMODE(self.stat().st_mode))
        return replace(self, target)

    with patch.object(Path, "replace", seen_and_replaced):
        _add(capsys, home)
    assert [*seen, stat.S_IMODE(path.stat().st_mode)] == [0o600, 0o600]
    assert path.read_text() == '[second]\nkind = "duckdb"\n'


def test_one_that_lacks_an_entry_or_a_digit_is_told(home: Path, capsys: Capture) -> None:
    at = ("--ledger", str(home))
    _add(capsys, home)
    call(capsys, "ship", *at)
    with duckdb.connect(str(home / "sinks" / "second")) as db:
        db.execute("DELETE FROM entries WHERE seq = 2")
        db.execute("UPDATE entries SET amount = amount + 0.000000000000000001 WHERE seq = 4")
    done = call(capsys, "sinks", "verify", "second", *at, "--json")
    assert done.code == 1
    wrong = [row for row in done.rows if not row["equal"]]
    assert [(row["ledger"], row["sink_has"]) for row in wrong] == [
        ({"count": 2, "sum": "0.007"}, {"count": 1, "sum": "0.0035"}),
        ({"count": 1, "sum": "0.0035"}, {"count": 1, "sum": "0.003500000000000001"}),
    ]
    between = call(capsys, "sinks", "verify", "--between", "duckdb", "second", *at, "--json")
    assert between.code == 1
    by_tenant = [row for row in between.rows if "tenant" in row]
    assert [(row["tenant"], row["sink_has"]["count"], row["other_has"]["count"]) for row in by_tenant] == [
        ("beta", 1, 0),
        (None, 1, 1),
    ]  # fmt: skip


def test_two_are_compared_as_far_as_both_are_fed(home: Path, capsys: Capture) -> None:
    at = ("--ledger", str(home))
    _add(capsys, home)
    call(capsys, "ship", *at)
    with duckdb.connect(str(home / "sinks" / "second")) as db:
        db.execute("DELETE FROM entries WHERE seq > 3; UPDATE position SET seq = 3")
    rows = rows_of(capsys, "sinks", "verify", "--between", "second", "duckdb", *at)
    assert [row["sink_has"]["count"] for row in rows] == [1, 2]
    assert all(row["sink_has"] == row["other_has"] for row in rows)


def test_a_sink_that_is_removed_is_fed_no_longer_and_its_store_stays(
    home: Path, capsys: Capture
) -> None:
    at = ("--ledger", str(home))
    _add(capsys, home)
    call(capsys, "ship", *at)
    assert call(capsys, "sinks", "remove", "second", *at).code == 0
    assert [row["sink"] for row in rows_of(capsys, "sinks", "list", *at)] == ["duckdb"]
    assert sum(day.entries for day in DuckDBSink(home / "sinks" / "second").days(9)) == 4
    _add(capsys, home)
    assert rows_of(capsys, "sinks", "list", *at)[1]["seq"] == 4


def test_what_was_noted_of_a_store_elsewhere_goes_with_its_sink(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    at = ("--ledger", str(home))
    added = ("sinks", "add", "events", "--kind", "otlp", *at)
    assert call(capsys, *added).code == 0
    mark = DuckDBSink(home / "charges.duckdb").mark()
    assert mark is not None
    Position(home / "sinks" / "events").advance(mark._replace(seq=2))
    assert rows_of(capsys, "sinks", "list", *at)[1]["seq"] == 2
    assert call(capsys, "sinks", "remove", "events", *at).code == 0
    assert call(capsys, *added).code == 0
    assert rows_of(capsys, "sinks", "list", *at)[1]["seq"] == 0


def test_a_sink_whose_kind_is_not_installed_any_more_is_removed(
    home: Path, capsys: Capture
) -> None:
    at = ("--ledger", str(home))
    (home / "sinks.toml").write_text('[second]\nkind = "parchment"\n')
    (home / "sinks").mkdir()
    (home / "sinks" / "second").write_bytes(b"a store")
    assert call(capsys, "sinks", "remove", "second", *at).code == 0
    assert (home / "sinks" / "second").read_bytes() == b"a store"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x", "--kind", "parchment"], "no such sink: 'parchment'; installed: "),
        (["x", "--kind", "duckdb", "--option", "colour=red"], "no such option: 'colour'"),
        (["x", "--kind", "duckdb", "--option", "colour"], "no option of a sink: 'colour'"),
        (["duckdb", "--kind", "duckdb"], "no name for a sink: 'duckdb'"),
        (["a b", "--kind", "duckdb"], "no name for a sink: 'a b'"),
        (["../a", "--kind", "duckdb"], "no name for a sink: '../a'"),
        *(
            (["x", "--kind", "postgresql", "--option", f"address={address}"], "secrets do not")
            for address in (
                "postgresql://feeder:hunter2@db.example/costs",
                "postgresql://feeder@db.example/costs?password=hunter2",
                "host=db.example password = hunter2",
            )
        ),
    ],
)
def test_what_no_sink_is_changes_nothing(
    home: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    done = call(capsys, "sinks", "add", *arguments, "--ledger", str(home))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert said in done.err
    assert "hunter2" not in done.err
    assert not (home / "sinks.toml").exists()


def test_a_name_stands_for_one_sink(
    home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ("--ledger", str(home))
    _add(capsys, home, "otlp")
    done = call(capsys, "sinks", "add", "otlp", "--kind", "duckdb", *at)
    assert (done.code, "there is such a sink: 'otlp'" in done.err) == (2, True)
    monkeypatch.setenv("OTEL_GENAI_COST_SINKS", "otlp")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    done = call(capsys, "sinks", "list", *at)
    assert (done.code, "two sinks of one name: 'otlp'" in done.err) == (2, True)


def test_a_store_with_another_ledgers_entries_is_not_emptied_unasked(
    home: Path, capsys: Capture
) -> None:
    at = ("--ledger", str(home))
    state = home / "sinks" / "second"
    DuckDBSink(state).append("another", entries(3))
    done = call(capsys, "sinks", "add", "second", "--kind", "duckdb", *at)
    assert (done.code, "entries of another ledger: 'another'" in done.err) == (2, True)
    assert DuckDBSink(state).mark() == Mark("another", 3)
    added = call(capsys, "sinks", "add", "second", "--kind", "duckdb", "--take-over", *at)
    assert added.code == 0
    assert call(capsys, "ship", *at).code == 0
    assert call(capsys, "sinks", "verify", "second", *at).code == 0


def test_a_store_that_does_not_say_whose_entries_it_has_is_not_added_unasked(
    home: Path, capsys: Capture
) -> None:
    given = ("--kind", "duckdb", "--ledger", str(home))
    (home / "sinks").mkdir()
    (home / "sinks" / "second").write_bytes(b"no store" * 1000)
    done = call(capsys, "sinks", "add", "second", *given)
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "does not say whose entries it has: cannot open" in done.err
    assert not (home / "sinks.toml").exists()
    done = call(capsys, "sinks", "add", "second", *given, "--take-over")
    assert (done.code, "it does not answer yet" in done.err) == (0, True)


@pytest.mark.parametrize(
    "text",
    ["x = 1", "[x]", '[x]\nkind = "duckdb"\nport = 1', "[x", '[duckdb]\nkind = "duckdb"'],
)
def test_a_file_that_says_what_no_sink_is_is_one_line(
    home: Path, capsys: Capture, text: str
) -> None:
    (home / "sinks.toml").write_text(text)
    done = call(capsys, "sinks", "list", "--ledger", str(home))
    assert (done.code, len(done.err.splitlines()), str(home) in done.err) == (2, 1, True)


def test_a_sink_that_cannot_be_asked_hides_no_other(home: Path, capsys: Capture) -> None:
    at = ("--ledger", str(home))
    _add(capsys, home)
    (home / "sinks").mkdir(exist_ok=True)
    (home / "sinks" / "second").write_bytes(b"no store" * 1000)
    done = call(capsys, "sinks", "list", *at, "--json")
    assert done.code == 1
    well, ill = done.rows
    assert (well["seq"], well["error"]) == (4, None)
    assert (ill["seq"], ill["behind"]) == (None, None)
    assert "cannot open" in ill["error"]
    assert call(capsys, "sinks", "list", *at).out.splitlines()[-1].split() == [
        *("second", "?", "4", "?", "0")
    ]


@pytest.mark.parametrize("arguments", [[], ["duckdb", "--between", "duckdb", "duckdb"], ["nobody"]])
def test_what_cannot_be_verified_is_refused(
    home: Path, capsys: Capture, arguments: list[str]
) -> None:
    done = call(capsys, "sinks", "verify", *arguments, "--ledger", str(home))
    assert done.code == 2


def test_store_of_another_ledger_is_not_verified(home: Path, capsys: Capture) -> None:
    sink = DuckDBSink(home / "charges.duckdb")
    sink.reset()
    sink.append("another", entries(1))
    done = call(capsys, "sinks", "verify", "duckdb", "--ledger", str(home))
    assert (done.code, "another ledger's entries: 'duckdb'" in done.err) == (2, True)


@pytest.mark.parametrize("command", [("ship",), ("gate", "serve", "--port", "0")])
def test_a_store_that_is_none_is_refused_and_nothing_is_kept_elsewhere(
    command: tuple[str, ...], home: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_GENAI_COST_GATE_STORE", "db.example:5432")
    done = call(capsys, *command, "--ledger", str(home))
    said = done.err.splitlines()[-1]
    assert done.code == 2 and "OTEL_GENAI_COST_GATE_STORE cannot be used" in said, done.err
    assert said.endswith("write a URL, such as postgresql://host/database")
    assert "db.example" not in done.err  # it may have a password
