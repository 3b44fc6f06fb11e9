"""The command as people script it: JSON Lines, exit codes, one line on stderr."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import writer_lock
from tests.cli.command import PROGRAM, rows, run
from tests.ledger.build import observe
from tests.reports.fixture import make_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_home(tmp_path_factory.mktemp("home")))


def test_report_json_and_csv_agree(home: str) -> None:
    as_json = rows("report", "--by", "tenant,model", "--json", "--ledger", home)
    done = run("report", "--by", "tenant,model", "--csv", "--ledger", home)
    as_csv = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["total"] or "" for row in as_json] == [row["total"] for row in as_csv]
    assert list(as_json[0]) == [
        "tenant",
        "model",
        "calls",
        "priced",
        "unpriced",
        "total",
        "currency",
        "at_least",
    ]


def test_report_table_has_a_sum(home: str) -> None:
    done = run("report", "--ledger", home)
    assert "acme" in done.stdout
    assert "unattributed" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["all", "5", "4", "1", "0.00986", "USD"]


def test_what_is_in_the_journal_is_shipped_first(tmp_path: Path) -> None:
    journal = Journal([tmp_path / "journal"])
    journal.append(to_record(observe(1)))
    (row,) = rows("report", "--json", "--ledger", str(tmp_path))
    assert (row["calls"], row["total"]) == (1, "0.0035")
    journal.append(to_record(observe(2, trace=2)))
    journal.close()
    (row,) = rows("report", "--json", "--ledger", str(tmp_path))
    assert row["calls"] == 2


def test_locked_ledger_shows_what_is_there_and_says_so(home: str) -> None:
    with writer_lock(Path(home)):
        done = run("charges", "--json", "--ledger", home)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 5
    assert "another process is shipping" in done.stderr


def test_second_shipper_exits_2_with_one_line(home: str) -> None:
    with writer_lock(Path(home)):
        done = run("ship", "--ledger", home)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_entries_since(home: str) -> None:
    entries = rows("entries", "--json", "--ledger", home)
    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4, 5]
    assert rows("entries", "--json", "--since", "3", "--ledger", home) == entries[3:]
    assert entries[0]["occurred"].endswith("Z")
    assert isinstance(entries[0]["amount"], str)


def test_explain(home: str) -> None:
    (charge, *_) = rows("charges", "--json", "--ledger", home)
    shown = run("explain", charge["charge_id"][:12], "--ledger", home)
    assert shown.stdout.startswith(f"Charge {charge['charge_id']}")
    (record,) = rows("explain", charge["charge_id"], "--json", "--ledger", home)
    assert record["net"][0]["total"] == charge["total"]


def test_page_is_written(home: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert run("report", "--html", str(path), "--ledger", home).returncode == 0
    assert path.read_text().startswith("<!doctype html>")


def test_top(home: str) -> None:
    assert (
        rows("top", "--minutes", "60000000", "--limit", "1", "--json", "--ledger", home)[0][
            "tenant"
        ]
        == "acme"
    )


def test_rerate_dry_run(home: str) -> None:
    assert rows("rerate", "--dry-run", "--json", "--ledger", home) == []


def test_ship_tells_what_it_did(home: str) -> None:
    (done,) = rows("ship", "--drain", "--json", "--ledger", home)
    assert done["observations"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("report", "--by", "shoe_size"),
        ("report", "--from", "yesterday"),
        ("report", "--from", "2026-11-20T12:00:00"),
        ("report", "--frm", "x"),
        ("report", "--by", ""),
        ("report", "--by", "tenant,"),
        ("report", "--from", "9999-12-31T23:59:59-14:00"),
        ("report", "--to", "0001-01-01T00:00:00+14:00"),
        ("report", "--html", "/no/such/folder/page.html"),
        ("report", "--html", "/"),
        ("top", "--minutes", "99999999999999"),
        ("entries", "--since", "99999999999999999999999"),
        ("ship", "--ledger", "/dev/null"),
        ("ship", "--ledger", "/proc/none"),
        ("explain", "nothing"),
        ("explain", "ffffffffffff"),
        ("price", "--input-tokens", "many"),
        ("price", "--book", "/no/such/book.toml", "--model", "gpt-4o"),
        ("no-such-command",),
        ("rerate", "--book", "/no/such/book.json"),
    ],
)
def test_mistake_is_exit_2_and_one_line(home: str, arguments: tuple[str, ...]) -> None:
    where = (
        ("--ledger", home)
        if arguments[0] in ("report", "explain", "rerate", "top", "entries")
        else ()
    )
    done = run(*arguments, *where)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["charges", "entries", "ship"])
def test_damaged_ledger_is_exit_2_and_says_what_to_do(
    home: str, tmp_path: Path, command: str
) -> None:
    damaged = tmp_path / "home"
    shutil.copytree(home, damaged)
    ledger = damaged / "ledger.sqlite"
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        file.seek(8192)  # the schema is sound, so it opens
        file.write(b"\xff" * (size - 8192))
    done = run(command, "--ledger", str(damaged))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "move ledger.sqlite away" in done.stderr


@pytest.fixture
def read_only(home: str, tmp_path: Path) -> Iterator[Path]:
    """A ledger as a backup or a mounted volume shows it: no log of a writer, and nothing may be written."""
    folder = tmp_path / "home"
    shutil.copytree(home, folder)
    for path in folder.glob("ledger.sqlite-*"):
        path.unlink()
    folder.chmod(0o500)
    yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize("command", ["report", "charges", "entries"])
def test_ledger_that_cannot_be_written_shows_what_is_there(read_only: Path, command: str) -> None:
    bound: list[str] = []
    if not os.geteuid():
        if not shutil.which("setpriv"):
            pytest.skip("root may write anywhere, and there is no setpriv to give that up")
        bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    done = subprocess.run(
        [*bound, PROGRAM, command, "--json", "--ledger", str(read_only)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 3
    assert "showing what is there" in done.stderr


def test_reader_that_has_gone_is_no_error(home: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [PROGRAM, "entries", "--json", "--ledger", home],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_full_disk_behind_the_output_is_exit_2_and_one_line(home: str) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [PROGRAM, "entries", "--json", "--ledger", home],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_any_text_comes_back_as_it_was_asked(encoding: str) -> None:
    asked = {"id": "\ud800 é 日本", "provider": "openai", "model": "é\udfff", "usage": {}}
    done = run(
        "price", "--jsonl", stdin=json.dumps(asked) + "\n", env={"PYTHONIOENCODING": encoding}
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["id"] == asked["id"]


def test_no_command_shows_the_help() -> None:
    done = run()
    assert done.returncode == 0
    assert done.stdout == run("--help").stdout


def test_config_says_where_each_value_came_from() -> None:
    env = {"OTEL_GENAI_COST_TENANT": "header:x-org-id", "OTEL_GENAI_COST_FSYNC": "perhaps"}
    done = run("config", "--json", env=env)
    shown = {row["setting"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert shown["OTEL_GENAI_COST_TENANT"]["value"] == "header:x-org-id"
    assert shown["OTEL_GENAI_COST_TENANT"]["from"] == "OTEL_GENAI_COST_TENANT"
    assert shown["OTEL_GENAI_COST_FSYNC"]["from"] == "default"
    assert "'perhaps'" in done.stderr


def test_doctor_is_content_with_a_good_set_up(home: str) -> None:
    done = run("doctor", "--ledger", home)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("OTEL_GENAI_COST_TENANT", "cookie:x", "header:NAME"),
        ("OTEL_GENAI_COST_TENANT", "callable:no.such:f", "callable:MODULE:FUNCTION"),
        ("OTEL_GENAI_COST_BOOK", "/no/such/book.toml", "cannot read the price book"),
        ("OTEL_PROPAGATORS", "tracecontext", "add baggage"),
    ],
)
def test_doctor_says_what_is_wrong(home: str, name: str, value: str, told: str) -> None:
    done = run("doctor", "--json", "--ledger", home, env={name: value})
    assert done.returncode == 1
    (wrong,) = [row for row in map(json.loads, done.stdout.splitlines()) if not row["ok"]]
    assert told in wrong["remedy"]


def test_help_of_every_command() -> None:
    for command in (
        "report",
        "top",
        "explain",
        "charges",
        "entries",
        "price",
        "ship",
        "rerate",
        "config",
        "doctor",
    ):
        assert run(command, "--help").returncode == 0


def test_reading_commands_do_not_load_the_sdk() -> None:
    code = (
        "import sys; sys.argv = ['genai-cost', 'price', '--provider', 'openai', '--model', 'gpt-4o',"
        " '--input-tokens', '1']\n"
        "from otel_genai_cost.cli import _run\n_run(sys.argv[1:])\n"
        "print(sorted(m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'duckdb', 'rich.table'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
