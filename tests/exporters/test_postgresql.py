"""The sink for PostgreSQL, with a real server that is killed, refuses passwords, and has tables of older versions."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.entry_columns import COLUMNS, values_of
from otel_genai_exporters.postgresql import PostgresqlSink
from otel_genai_exporters.unfit import UnfitEntryError
from tests.exporters.entries import entries, with_amount
from tests.exporters.postgresql_server import PASSWORDS, Server, asked, server
from tests.queues.brokers import Brokers

pytestmark = pytest.mark.service

HOSTILE = ["a'; DROP TABLE entries; --", 'quo"te', "日本", "new\nline", "\\", "\\N", "\t\r", "\\."]
_TIMESCALE = """
SET allow_system_table_mods = on;
INSERT INTO pg_extension VALUES (77777, 'timescaledb', 10, 2200, false, '2.0', NULL, NULL);
CREATE TABLE public.calls (arguments text);
CREATE FUNCTION create_hypertable(relation regclass, time_column_name name, chunk_time_interval interval,
    create_default_indexes boolean, if_not_exists boolean, migrate_data boolean) RETURNS void LANGUAGE sql
    AS $$ INSERT INTO public.calls VALUES (concat_ws(' ', $1, $2, $3, $4, $5, $6)) $$;
"""
"""The signature of TimescaleDB's function, and a mark that it is installed."""


@pytest.fixture
def address(servers: Brokers) -> str:
    return servers.address("postgresql", Path("/usr/bin"))


@pytest.fixture
def sink(address: str, tmp_path: Path) -> Generator[PostgresqlSink]:
    found = PostgresqlSink(tmp_path / "aside.sqlite", address)
    yield found
    found.close()


def _count(sink: PostgresqlSink) -> int:
    return int(asked(sink, "SELECT count(*) FROM entries")[0][0])


@pytest.mark.parametrize("atto", [1, -1, 10**18 + 1, -(9 * 10**37 + 1), 9_223_372_036_854_775_808])
def test_money_is_exact_to_the_last_of_eighteen_places(sink: PostgresqlSink, atto: int) -> None:
    sink.append("ledger-1", [with_amount(entries(1)[0], atto)])
    ((amount,),) = asked(sink, "SELECT amount FROM entries")
    assert isinstance(amount, Decimal)
    assert parse_money(amount) == atto


@pytest.mark.parametrize("name", HOSTILE)
def test_any_text_survives(sink: PostgresqlSink, name: str) -> None:
    sink.append("ledger-1", [entries(1)[0]._replace(model=name)])
    assert asked(sink, "SELECT model FROM entries") == [(name,)]


def test_what_the_store_has_no_character_for_is_shown_as_such(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", [entries(1)[0]._replace(model="nul\0half\ud800")])
    assert asked(sink, "SELECT model FROM entries") == [("nul\N{REPLACEMENT CHARACTER}half?",)]


def test_every_column_is_what_the_entry_says(sink: PostgresqlSink) -> None:
    (entry,) = entries(1)
    sink.append("ledger-1", [entry])
    (row,) = asked(sink, f"SELECT {', '.join(COLUMNS)} FROM entries")
    wanted = values_of(entry)
    for (name, kind), found in zip(COLUMNS.items(), row, strict=True):
        if kind == "instant":
            found = (found - datetime(1970, 1, 1)) // timedelta(microseconds=1)  # noqa: DTZ001
        elif kind == "money":
            found, wanted[name] = Decimal(found), Decimal(str(wanted[name]))
        assert found == wanted.get(name), name


def test_entry_that_does_not_fit_is_a_dead_letter(sink: PostgresqlSink) -> None:
    good, bad, more = entries(3)
    batch = [good, with_amount(bad, 10**38), more]
    for _ in range(2):
        with pytest.raises(UnfitEntryError, match=r"entry 2 .*more than 20 digits"):
            sink.append("ledger-1", batch)
        assert (sink.mark(), _count(sink)) == (Mark("ledger-1", 1), 1)
    (dead,) = sink.rejected()
    assert (dead.seq, dead.id, dead.is_aside) == (2, bad.id, False)
    assert sink.set_aside("ledger-1") == dead
    sink.append("ledger-1", batch[1:])
    assert (sink.mark(), _count(sink)) == (Mark("ledger-1", 3), 2)
    assert "more than 20 digits" in sink.send_again("ledger-1", batch[1])
    assert sink.send_again("ledger-1", bad) == ""  # were it to fit after all
    assert sink.send_again("ledger-1", bad) == ""
    assert (_count(sink), sink.rejected()) == (3, [])


def test_time_that_is_in_no_year_is_a_dead_letter(sink: PostgresqlSink) -> None:
    with pytest.raises(UnfitEntryError, match="occurred is in no year"):
        sink.append("ledger-1", [entries(1)[0]._replace(occurred_us=10**18)])


def test_table_that_something_else_filled_is_not_added_to(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", entries(2))
    asked(sink, "DELETE FROM entries_position")
    with pytest.raises(GenAICostError, match=r"no position.*sinks refill"):
        sink.append("ledger-1", entries(2))
    sink.reset()
    sink.append("ledger-1", entries(2))
    assert _count(sink) == 2


def test_two_ledgers_do_not_share_a_table(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", entries(2))
    with pytest.raises(GenAICostError, match="fed by another ledger, ledger-1"):
        sink.append("ledger-2", entries(2, first=3))
    assert _count(sink) == 2


def test_the_store_itself_refuses_an_entry_twice(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", entries(2))
    asked(sink, "UPDATE entries_position SET seq = 0")
    with pytest.raises(GenAICostError, match="duplicate key"):
        sink.append("ledger-1", entries(2))
    assert _count(sink) == 2


def test_two_that_feed_at_once_store_each_entry_once(address: str, tmp_path: Path) -> None:
    batch = entries(300)
    failures: list[str] = []

    def feed(number: int) -> None:
        one = PostgresqlSink(tmp_path / f"{number}.sqlite", address)
        try:
            for end in range(10, 301, 10):
                one.append("ledger-1", batch[:end])
        except GenAICostError as error:
            failures.append(str(error))
        one.close()

    threads = [threading.Thread(target=feed, args=(number,)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    one = PostgresqlSink(tmp_path / "one.sqlite", address)
    one.append("ledger-1", batch)
    assert (_count(one), one.mark()) == (300, Mark("ledger-1", 300)), failures
    one.close()


def test_table_of_an_older_version_gets_the_columns_it_lacks(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", entries(1))
    asked(sink, "ALTER TABLE entries DROP COLUMN price_currency, DROP COLUMN flags")
    sink.append("ledger-1", entries(1, first=2))
    found = asked(sink, "SELECT price_currency, flags FROM entries ORDER BY seq")
    assert found == [(None, None), ("USD", "")]


def test_schema_of_its_own(address: str, tmp_path: Path, sink: PostgresqlSink) -> None:
    other = PostgresqlSink(tmp_path / "other.sqlite", address, schema="finance")
    other.append("ledger-2", entries(3))
    sink.append("ledger-1", entries(1))
    assert asked(other, "SELECT count(*) FROM finance.entries") == [(3,)]
    assert _count(sink) == 1
    assert other.endpoint.endswith("?schema=finance")
    other.close()


# --- TimescaleDB ---


def test_without_timescale_it_is_a_table(sink: PostgresqlSink) -> None:
    sink.append("ledger-1", entries(1))
    assert asked(sink, "SELECT relkind FROM pg_class WHERE relname = 'entries'") == [("r",)]
    indexed = asked(sink, "SELECT indexname FROM pg_indexes WHERE tablename = 'entries' ORDER BY 1")
    assert indexed == [("entries_charge",), ("entries_occurred",), ("entries_pkey",)]


def test_where_timescale_is_installed_the_table_is_made_a_hypertable_once(
    sink: PostgresqlSink,
) -> None:
    """TimescaleDB cannot be had here: what stands in for it is a function of the same signature, which notes how it
    was called."""
    asked(sink, _TIMESCALE)
    sink.append("ledger-1", entries(1))
    sink.append("ledger-1", entries(2))
    assert asked(sink, "SELECT * FROM calls") == [("entries occurred 7 days f t t",)]
    asked(sink, "SET allow_system_table_mods = on; DELETE FROM pg_extension WHERE oid = 77777")


# --- servers that fail ---


def test_server_that_dies_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    with server(tmp_path) as run:
        sink = PostgresqlSink(tmp_path / "aside.sqlite", run.address)
        every = entries(3_000)
        sink.append("ledger-1", every[:1_000])
        with pytest.raises(GenAICostError, match=r"^postgresql://127\.0\.0\.1:\d+/postgres"):
            sink.append("ledger-1", _Dying(every[:2_000], run))
        with pytest.raises(GenAICostError, match="refused"):
            sink.mark()
        run.start()
        assert (sink.mark(), _count(sink)) == (Mark("ledger-1", 1_000), 1_000)
        for _ in range(2):
            sink.append("ledger-1", every)
        assert (sink.mark(), _count(sink)) == (Mark("ledger-1", 3_000), 3_000)
        sink.close()


def test_server_that_freezes_is_given_up_and_gets_the_batch_again(
    sink: PostgresqlSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = entries(2_000)
    sink.append("ledger-1", every[:1_000])
    ((process,),) = asked(
        sink, "SELECT pid FROM pg_stat_activity WHERE application_name = 'genai-cost'"
    )
    os.kill(process, signal.SIGSTOP)
    try:
        monkeypatch.setattr(sink, "answered_s", 0.5)
        with pytest.raises(GenAICostError, match="closed the connection"):
            sink.append("ledger-1", every)
    finally:
        os.kill(process, signal.SIGCONT)
    monkeypatch.undo()
    sink.append("ledger-1", every)
    assert (sink.mark(), _count(sink)) == (Mark("ledger-1", 2_000), 2_000)


class _Dying(Sequence[Entry]):
    """Entries, of which one is only read after the server was killed."""

    def __init__(self, found: Sequence[Entry], run: Server) -> None:
        self._found, self._run = found, run

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, place: Any) -> Any:
        if place == 1_500:
            self._run.kill()
        return self._found[place]


def test_password_that_expires_is_read_again_from_its_file(tmp_path: Path) -> None:
    with server(tmp_path) as run:
        with psycopg.connect(run.address) as db:
            db.execute("CREATE ROLE feeder LOGIN PASSWORD 'first'")
            db.execute("GRANT ALL ON SCHEMA public TO feeder")
        (run.data / "pg_hba.conf").write_text(PASSWORDS, encoding="utf-8")
        run.again()
        passwords = tmp_path / "pgpass"
        _renew(passwords, "first")
        address = run.address.replace("test@", "feeder@") + f"?passfile={passwords}"
        sink = PostgresqlSink(tmp_path / "aside.sqlite", address)
        sink.append("ledger-1", entries(1))
        _renew(passwords, "old")
        sink.close()  # as a server that restarts would
        with pytest.raises(GenAICostError, match="password authentication failed") as said:
            sink.append("ledger-1", entries(2))
        assert "first" not in str(said.value)
        _renew(passwords, "first")
        sink.append("ledger-1", entries(2))
        assert sink.mark() == Mark("ledger-1", 2)
        sink.close()


def _renew(passwords: Path, word: str) -> None:
    passwords.write_text(f"*:*:*:*:{word}\n", encoding="utf-8")
    passwords.chmod(0o600)


# --- what is configured ---


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "the sink has no address"),
        ({"address": "mysql:secret@host"}, "no address of PostgreSQL"),
        ({"address": "dbname=x", "schema": "a; DROP"}, "no schema of PostgreSQL"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, given: dict[str, str], what: str) -> None:
    with pytest.raises(ConfigurationError, match=what) as said:
        PostgresqlSink(tmp_path / "aside.sqlite", **given)
    assert "secret" not in str(said.value)


def test_place_that_people_read_has_no_password(tmp_path: Path) -> None:
    address = "postgresql://user:secret@db.example:6432/costs"
    found = PostgresqlSink(tmp_path / "aside.sqlite", address)
    assert found.endpoint == "postgresql://db.example:6432/costs?schema=public"


def test_without_the_library_it_says_what_to_install(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from otel_genai_exporters.postgresql import PostgresqlSink\n"
        "PostgresqlSink(Path('x'), 'dbname=x')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "otel-genai-cost[postgresql]" in done.stderr
