"""The sink for ClickHouse, on its real engine: batches that come again, however they were broken off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.clickhouse import ClickHouseSink
from otel_genai_exporters.clickhouse_tables import has_window
from otel_genai_exporters.entry_columns import COLUMNS, values_of
from otel_genai_exporters.unfit import UnfitEntryError
from tests.exporters.embedded_clickhouse import NEEDS_CHDB, clickhouse_in
from tests.exporters.entries import entries, with_amount

_HOSTILE = [
    "a'; DROP TABLE entries; --",
    'quo"te',
    "日本",
    "new\nline",
    "\\",
    "\\N",
    "\t\r",
    "n\0l",
]
_MONTH_US = 31 * 86_400_000_000


class _BrokenOffError(Exception):
    """What a test raises where a process would end."""


@pytest.fixture
def sink(tmp_path: Path) -> Generator[ClickHouseSink]:
    found = clickhouse_in(tmp_path)
    yield found
    found.close()


def _asked(sink: ClickHouseSink, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in sink._to.rows(statement)]


def _sums(sink: ClickHouseSink) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """How many entries, and of what amount, the table and its sums by minute have."""
    words = "SELECT {} AS n, toString(sum(toDecimal256(amount, 18))), toString(sum(toDecimal256(price, 18)))"
    (table,) = _asked(sink, f"{words.format('count()')} FROM {{database}}.entries")
    (summed,) = _asked(sink, f"{words.format('sum(entries)')} FROM {{database}}.entries_by_minute")
    return table, summed


def _check_whole(sink: ClickHouseSink, count: int) -> None:
    wanted = sum(one.amount for one in entries(count))
    for number, amount, price in _sums(sink):
        assert (number, parse_money(amount), parse_money(price)) == (count, wanted, wanted)
    assert sink.mark() == Mark("ledger-1", count)


# --- what is stored ---


@NEEDS_CHDB
@pytest.mark.parametrize("atto", [1, -1, 10**18 + 1, -(9 * 10**37 + 1), 9_223_372_036_854_775_808])
def test_money_is_exact_to_the_last_of_eighteen_places(sink: ClickHouseSink, atto: int) -> None:
    sink.append("ledger-1", [with_amount(entries(1)[0], atto)])
    ((amount,),) = _asked(sink, "SELECT amount FROM {database}.entries")
    assert isinstance(amount, Decimal)
    assert parse_money(amount) == atto
    assert [parse_money(row[1]) for row in _sums(sink)] == [atto, atto]


@NEEDS_CHDB
def test_sums_by_minute_outgrow_what_an_amount_may_be(sink: ClickHouseSink) -> None:
    most = 10**38 - 1
    sink.append("ledger-1", [with_amount(one, most)._replace(occurred_us=0) for one in entries(40)])
    assert [parse_money(row[1]) for row in _sums(sink)] == [40 * most, 40 * most]


@NEEDS_CHDB
@pytest.mark.parametrize("name", _HOSTILE)
def test_any_text_survives(sink: ClickHouseSink, name: str) -> None:
    sink.append("ledger-1", [entries(1, tenant_id=name)[0]._replace(model=name)])
    assert _asked(sink, "SELECT model, tenant FROM {database}.entries") == [(name, name)]


@NEEDS_CHDB
def test_every_column_is_what_the_entry_says(sink: ClickHouseSink) -> None:
    (entry,) = entries(1)
    sink.append("ledger-1", [entry])
    (row,) = _asked(sink, f"SELECT {', '.join(COLUMNS)} FROM {{database}}.entries")
    wanted = values_of(entry)
    for (name, kind), found in zip(COLUMNS.items(), row, strict=True):
        if kind == "instant":
            since = found - datetime(1970, 1, 1)  # noqa: DTZ001
            found = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        elif kind == "money":
            found, wanted[name] = Decimal(found), Decimal(str(wanted[name]))
        assert found == wanted.get(name), name


@NEEDS_CHDB
def test_entry_that_does_not_fit_is_a_dead_letter(sink: ClickHouseSink) -> None:
    good, bad, more = entries(3)
    batch = [good, with_amount(bad, 10**38), more]
    for _ in range(2):
        with pytest.raises(UnfitEntryError, match=r"entry 2 .*more than 20 digits"):
            sink.append("ledger-1", batch)
        assert sink.mark() == Mark("ledger-1", 1)
    (dead,) = sink.rejected()
    assert (dead.seq, dead.id, dead.is_aside) == (2, bad.id, False)
    assert sink.set_aside("ledger-1") == dead
    sink.append("ledger-1", batch[1:])
    assert (sink.mark(), _sums(sink)[0][0]) == (Mark("ledger-1", 3), 2)
    assert "more than 20 digits" in sink.send_again("ledger-1", batch[1])
    assert sink.send_again("ledger-1", bad) == ""  # were it to fit after all
    assert sink.send_again("ledger-1", bad) == ""
    assert sink.rejected() == []
    _check_whole(sink, 3)


@NEEDS_CHDB
@pytest.mark.parametrize("us", [-1, 4_323_000_000_000_000, 10**18])
def test_time_that_minutes_do_not_hold_is_a_dead_letter(sink: ClickHouseSink, us: int) -> None:
    with pytest.raises(UnfitEntryError, match="occurred is in no year"):
        sink.append("ledger-1", [entries(1)[0]._replace(occurred_us=us)])


# --- batches that come again ---


def _break_off(
    sink: ClickHouseSink, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    """End as a process that is killed before or after what it sends to a table."""
    insert = sink._to.insert

    def ended(where: str, lines: bytes, token: str = "") -> None:
        if where != table:
            return insert(where, lines, token)
        if after:
            insert(where, lines, token)
        raise _BrokenOffError

    monkeypatch.setattr(sink._to, "insert", ended)


@NEEDS_CHDB
@pytest.mark.parametrize("table", ["entries", "entries_position"])
@pytest.mark.parametrize("after", [False, True])
def test_batch_that_was_broken_off_is_there_once(
    sink: ClickHouseSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, after: bool
) -> None:
    every = entries(60)
    sink.append("ledger-1", every[:20])
    with monkeypatch.context() as broken, pytest.raises(_BrokenOffError):
        _break_off(sink, broken, table, after)
        sink.append("ledger-1", every[20:40])
    sink.close()
    again = clickhouse_in(tmp_path)
    for end in (50, 60, 60):  # more has come meanwhile
        again.append("ledger-1", every[:end])
    _check_whole(again, 60)
    again.close()


@NEEDS_CHDB
def test_batch_that_was_begun_comes_again_whole(
    sink: ClickHouseSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = entries(60)
    with monkeypatch.context() as broken, pytest.raises(_BrokenOffError):
        _break_off(sink, broken, "entries", after=True)
        sink.append("ledger-1", every[:40])
    with pytest.raises(
        GenAICostError, match="a batch to entry 40 was begun, and has to come again"
    ):
        sink.append("ledger-1", every[:30])
    monkeypatch.setattr("otel_genai_exporters.clickhouse._AT_ONCE", 10)
    assert sink.mark() == Mark("ledger-1", 0)
    assert sink.entries_at_once == 40  # more than it would ask for
    sink.append("ledger-1", every)
    assert sink.entries_at_once == 10
    _check_whole(sink, 60)


@NEEDS_CHDB
def test_sums_that_failed_are_made_good_when_the_batch_comes_again(sink: ClickHouseSink) -> None:
    """The table has the batch already when its sums by minute fail."""
    every = entries(50)
    sink.append("ledger-1", every[:20])
    view = _asked(sink, "SHOW CREATE TABLE {database}.entries_to_minute")[0][0]
    broken = view.replace("toInt64(count())", "toInt64(count()) + throwIf(1)")
    client = sink._to
    client.command("DROP VIEW genai_cost.entries_to_minute")
    client.command(broken)
    with pytest.raises(GenAICostError, match="while pushing to view"):
        sink.append("ledger-1", every[20:])
    client = sink._to
    client.command("DROP VIEW genai_cost.entries_to_minute")
    client.command(view)
    assert [row[0] for row in _sums(sink)] == [50, 20]
    sink.append("ledger-1", every[20:])
    _check_whole(sink, 50)


@NEEDS_CHDB
def test_batch_of_many_months_is_one(sink: ClickHouseSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part for each month, more of them than a server takes in one insert by itself."""
    every = [one._replace(occurred_us=one.seq * _MONTH_US) for one in entries(130)]
    with monkeypatch.context() as broken, pytest.raises(_BrokenOffError):
        _break_off(sink, broken, "entries", after=True)
        sink.append("ledger-1", every)
    sink.append("ledger-1", every)
    _check_whole(sink, 130)


@NEEDS_CHDB
def test_whoever_looks_beyond_the_window_is_kept_off_by_the_position(sink: ClickHouseSink) -> None:
    every = entries(40)
    for place in range(0, 40, 2):
        sink.append("ledger-1", every[place : place + 2])
    for table in ("entries", "entries_by_minute"):
        change = (
            f"ALTER TABLE genai_cost.{table} MODIFY SETTING non_replicated_deduplication_window = 1"
        )
        sink._to.command(change)
    for place in range(0, 40, 2):
        sink.append("ledger-1", every[place : place + 2])
    _check_whole(sink, 40)


@NEEDS_CHDB
def test_tables_without_a_window_are_refused(sink: ClickHouseSink, tmp_path: Path) -> None:
    sink.append("ledger-1", entries(1))
    change = "MODIFY SETTING non_replicated_deduplication_window = 0"
    sink._to.command(f"ALTER TABLE genai_cost.entries_by_minute {change}")
    sink.close()
    again = clickhouse_in(tmp_path)
    with pytest.raises(GenAICostError, match="entries_by_minute has no deduplication window"):
        again.append("ledger-1", entries(2))
    again.close()


@pytest.mark.parametrize(
    ("engine", "has_one"),
    [
        ("MergeTree PARTITION BY m ORDER BY t SETTINGS index_granularity = 8192", False),
        ("MergeTree ORDER BY t SETTINGS non_replicated_deduplication_window = 0", False),
        ("MergeTree ORDER BY t SETTINGS non_replicated_deduplication_window = 1000", True),
        ("MergeTree ORDER BY t SETTINGS replicated_deduplication_window = 1000", False),
        ("ReplicatedMergeTree('/t', '{replica}') ORDER BY t", True),
        ("SharedSummingMergeTree ORDER BY t SETTINGS replicated_deduplication_window = 10", True),
        ("ReplicatedMergeTree ORDER BY t SETTINGS replicated_deduplication_window = 0", False),
        (
            "ReplicatedMergeTree ORDER BY t SETTINGS non_replicated_deduplication_window = 0",
            True,
        ),
    ],
)
def test_window_is_that_of_the_kind_of_table(engine: str, *, has_one: bool) -> None:
    assert has_window(engine) is has_one


# --- beginning anew ---


@NEEDS_CHDB
def test_refilled_store_takes_what_it_had_before(sink: ClickHouseSink) -> None:
    """Its tables remember the tokens of before."""
    for _ in range(3):
        sink.append("ledger-1", entries(30))
        _check_whole(sink, 30)
        sink.reset()
        assert (sink.mark(), _sums(sink)[0][0], _sums(sink)[1][0]) == (None, 0, 0)


@NEEDS_CHDB
def test_emptying_that_was_broken_off_is_gone_on_with(
    sink: ClickHouseSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.append("ledger-1", entries(30))

    def ended(position: Any) -> NoReturn:
        raise _BrokenOffError

    with monkeypatch.context() as broken, pytest.raises(_BrokenOffError):
        broken.setattr(sink, "_emptied", ended)
        sink.reset()
    assert sink.mark() is None
    sink.append("ledger-1", entries(40))
    _check_whole(sink, 40)


@NEEDS_CHDB
def test_table_that_something_else_filled_is_not_added_to(sink: ClickHouseSink) -> None:
    sink.append("ledger-1", entries(2))
    sink._to.command("TRUNCATE TABLE genai_cost.entries_position")
    with pytest.raises(GenAICostError, match=r"no position.*sinks refill"):
        sink.append("ledger-1", entries(2))
    sink.reset()
    sink.append("ledger-1", entries(2))
    _check_whole(sink, 2)


@NEEDS_CHDB
def test_two_ledgers_do_not_share_a_database(sink: ClickHouseSink) -> None:
    sink.append("ledger-1", entries(2))
    with pytest.raises(GenAICostError, match="fed by another ledger, ledger-1"):
        sink.append("ledger-2", entries(2, first=3))
    _check_whole(sink, 2)


@NEEDS_CHDB
def test_table_of_an_older_version_gets_the_columns_it_lacks(
    sink: ClickHouseSink, tmp_path: Path
) -> None:
    sink.append("ledger-1", entries(1))
    sink._to.command("ALTER TABLE genai_cost.entries DROP COLUMN flags, DROP COLUMN contracts")
    sink.close()
    again = clickhouse_in(tmp_path)
    again.append("ledger-1", entries(2))
    found = _asked(again, "SELECT flags, contracts FROM {database}.entries ORDER BY seq")
    assert found == [(None, None), ("", None)]
    again.close()


# --- what is configured ---


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "no address of ClickHouse"),
        ({"address": "mysql://user:secret@host"}, "no address of ClickHouse"),
        ({"address": "http://user:secret@host:port"}, "no address of ClickHouse"),
        ({"address": "http://host", "database": "a; DROP"}, "no name of a database"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, given: dict[str, str], what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as said:
        ClickHouseSink(tmp_path / "aside.sqlite", **given)
    assert "secret" not in str(said.value)


def test_place_that_people_read_has_no_password(tmp_path: Path) -> None:
    found = ClickHouseSink(tmp_path / "aside.sqlite", "https://user:secret@db.example:8443/x?a=b")
    assert found.endpoint == "https://db.example:8443/default"


def test_server_that_is_not_there_is_said(tmp_path: Path) -> None:
    found = ClickHouseSink(tmp_path / "aside.sqlite", "http://user:secret@127.0.0.1:9")
    with pytest.raises(GenAICostError, match=r"^http://127\.0\.0\.1:9/default: ") as said:
        found.mark()
    assert "secret" not in str(said.value)


def test_without_the_library_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['clickhouse_connect'] = None\n"
        "from pathlib import Path; from otel_genai_exporters.clickhouse import ClickHouseSink\n"
        "ClickHouseSink(Path('x'), 'http://host')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "otel-genai-cost[clickhouse]" in done.stderr
