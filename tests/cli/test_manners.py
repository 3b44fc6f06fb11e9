"""What a stranger meets: empty ledgers, wrong flags, hostile names, narrow terminals, spreadsheets."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.cli.output import print_csv
from otel_genai_cost.cli.table import Table
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import writer_lock
from otel_genai_cost.reports.printable import escaped_json, printable
from tests.cli.command import PROGRAM, run
from tests.cli.homes import OSC, held, home_of, week
from tests.cli.program import call
from tests.ledger.build import observe

Capture = pytest.CaptureFixture[str]

READERS = [
    ("report",),
    ("top",),
    ("charges",),
    ("entries",),
    ("unpriced",),
    ("explain", "ffffffff"),
    ("compare",),
    ("prices", "impact"),
    ("rerate",),
    ("rerate", "--dry-run"),
    ("ledger", "suspects"),
    ("ledger", "unlink", "ffffffff"),
    ("actions",),
    ("margin",),
    ("revenue", "list"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with held(week(tmp_path_factory.mktemp("week"))) as folder:
        yield str(folder)


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_a_path_that_is_not_there_is_exit_2(
    command: tuple[str, ...], capsys: Capture, tmp_path: Path
) -> None:
    done = call(capsys, *command, "--ledger", str(tmp_path / "none"))
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert "none" in done.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", READERS, ids=" ".join)
def test_who_reads_makes_no_ledger(
    command: tuple[str, ...], capsys: Capture, tmp_path: Path
) -> None:
    done = call(capsys, *command, "--ledger", str(tmp_path))
    assert done.code == (2 if command[-1] == "ffffffff" else 0)
    assert [*tmp_path.iterdir()] == []
    assert str(tmp_path) in done.err


def test_page_of_nothing_is_none(capsys: Capture, tmp_path: Path) -> None:
    done = call(capsys, "report", "--html", str(tmp_path / "p.html"), "--ledger", str(tmp_path))
    assert (done.code, [*tmp_path.iterdir()]) == (2, [])


@pytest.mark.parametrize("form", ["--json", "--csv", None])
def test_an_empty_answer_explains_itself(
    home: str, capsys: Capture, tmp_path: Path, form: str | None
) -> None:
    more = [form] if form else []
    done = call(capsys, "report", "--tenant", "nobody", "--last", "7d", *more, "--ledger", home)
    assert done.code == 0
    assert len(done.out.splitlines()) == (1 if form == "--csv" else 0)
    for told in ("nobody", "19 calls", home, "2026-11-20T10:00:01Z", "1 segment", "--by tenant"):
        assert told in done.err
    Journal([tmp_path / "journal"]).open()
    done = call(capsys, "charges", *more, "--ledger", str(tmp_path))
    for told in ("0 calls", f"{tmp_path / 'journal'} (1 segment)", "genai-cost doctor"):
        assert told in done.err


def test_a_ledger_that_another_process_ships_into(home: str, capsys: Capture) -> None:
    with writer_lock(Path(home)):
        for command in READERS[:5]:
            done = call(capsys, *command, "--ledger", home)
            assert done.code == 0
            assert "another process is shipping" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("report", "--nope"), "genai-cost report --help"),
        (("prices", "show"), "genai-cost prices show --help"),
        (("ledger", "nope"), "genai-cost ledger --help"),
        (("nope",), "genai-cost --help"),
        (("report", "--json", "--csv"), "exclude each other"),
        (("charges", "--json", "--csv"), "exclude each other"),
        (("report", "--html", "p.html", "--csv"), "--html and --csv exclude each other"),
        (("report", "--last", "7"), "7d"),
        (("report", "--last", "0d"), "7d"),
        (("report", "--last", "7d", "--since", "today"), "--last and --since"),
        (("report", "--since", "2026-13-01"), "2026-11-20"),
        (("report", "--tz", "Mars/Phobos"), "Europe/Berlin"),
        (("report", "--tz", "../../etc/passwd"), "Europe/Berlin"),
        (("report", "--from", "2026-11-21", "--to", "2026-11-20"), "ends before it begins"),
        (("report", "--sort", "shoe"), "cost or name"),
        (("entries", "--since", "tomorrow"), "yesterday"),
        (("top", "--limit", "0"), "genai-cost top --help"),
    ],
)
def test_a_mistake_is_told_with_what_helps(
    home: str, capsys: Capture, arguments: tuple[str, ...], told: str
) -> None:
    done = call(capsys, *arguments)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert told in done.err


def test_version_and_short_help(capsys: Capture) -> None:
    done = call(capsys, "--version")
    assert (done.code, done.out.split()[0]) == (0, "otel-genai-cost")
    assert call(capsys, "report", "-h").out == call(capsys, "report", "--help").out


@pytest.mark.parametrize(
    "command",
    [
        ("report", "--by", "model"),
        ("charges",),
        ("entries",),
        ("unpriced",),
        ("top", "--by", "model", "--minutes", "60000000"),
        ("explain", "chatcmpl-twice"),
        ("prices", "impact"),
        ("compare",),
        ("ledger", "suspects"),
        ("actions", "--by", "model"),
        ("margin",),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)], ids=["table", "json", "csv"])
def test_no_control_sequence_reaches_the_terminal(
    home: str, capsys: Capture, command: tuple[str, ...], form: tuple[str, ...]
) -> None:
    if form == ("--csv",) and command[0] in ("explain", "compare", "ledger"):
        pytest.skip("has no CSV")
    done = call(capsys, *command, *form, "--ledger", home)
    assert done.code == 0
    assert printable((done.out + done.err).replace("\n", "")) == (done.out + done.err).replace(
        "\n", ""
    )


def test_receipt_of_a_name_that_bites(home: str, capsys: Capture) -> None:
    done = call(capsys, "charges", "--json", "--model", OSC, "--ledger", home)
    (row,) = map(json.loads, done.out.splitlines())
    assert row["model"] == OSC, "JSON is exact"
    done = call(capsys, "explain", row["charge_id"], "--ledger", home)
    assert not set(done.out) & set("\x1b\x07\x9b\u202e")
    assert "\nCharge forged" not in done.out


def test_a_huge_name_fills_no_banner(capsys: Capture, tmp_path: Path) -> None:
    model = "m" * 5_000
    home = str(home_of(tmp_path, [observe(1, model=model)]))
    done = call(capsys, "report", "--by", "model", "--ledger", home)
    assert model in done.out
    assert len(done.err) < 300


def test_json_stays_equal() -> None:
    text = json.dumps({"a": f"{OSC}\u2028\x7f é 日本"}, ensure_ascii=False)
    assert json.loads(escaped_json(text)) == json.loads(text)
    assert escaped_json(text).replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1+1", "'+1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd|' /C calc'!A0", "'-cmd|' /C calc'!A0"),
        ("\t=1", "'\ufffd=1"),
        ("\r=1", "'\ufffd=1"),
        ("-0.0035", "-0.0035"),
        ("-12", "-12"),
        (-3, "-3"),
        ("a=b", "a=b"),
        ("", ""),
        (None, ""),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay_numbers(
    capsys: Capture, value: object, cell: str
) -> None:
    print_csv(["a", "b"], [{"a": value, "b": 1}])
    assert list(csv.reader(io.StringIO(capsys.readouterr().out)))[1] == [cell, "1"]


# --- tables ---

_ROWS = [
    [
        "acme-gmbh",
        "gpt-4o-mini-2024-07-18",
        "summarise-long-documents",
        "12,345",
        "1,234.56",
        "USD",
    ],
    ["日本語テナント", "claude-sonnet-4-5-20250929", "chat", "1", "0.00000375", "EUR"],
]
_COLUMNS = ["tenant", "model", "feature", "calls", "total", "currency"]
_RIGHT = frozenset({"calls", "total"})


def _lines(width: int | None) -> list[str]:
    return [
        *Table(
            _COLUMNS, _ROWS, right=_RIGHT, footer=[["all", "", "", "2", "-", "USD"]], width=width
        ).lines()
    ]


@pytest.mark.parametrize("width", [None, 200, 80, 60, 40, 20])
def test_no_name_and_no_figure_is_ever_broken(width: int | None) -> None:
    from rich.cells import cell_len

    lines = _lines(width)
    whole = "\n".join(lines)
    for row in _ROWS:
        for cell in row:
            assert cell in whole
    if width is None:
        assert len(lines) == 6, "a line a row, when piped"
    else:
        longest = max(cell_len(cell) for row in _ROWS for cell in row)
        assert max(map(cell_len, lines)) <= max(width, longest + 2)


def test_sentences_wrap_between_words() -> None:
    told = "a sentence of some length about a setting-with-hyphens and what to do about it"
    table = Table(
        ["what", "remedy"], [["ok", told]], right=frozenset(), prose=frozenset({"remedy"}), width=40
    )
    lines = [line[4:].strip() for line in table.lines()][2:]
    assert " ".join(lines) == told
    assert len(lines) > 1


def _in_a_terminal(columns: int, *arguments: str) -> list[str]:
    """The output of the command on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k != "COLUMNS" and not k.startswith("OTEL_")}
    with subprocess.Popen(
        [PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env={**env, "TERM": "dumb", "PYTHONIOENCODING": "utf-8"},
    ) as child:
        os.close(theirs)
        read = bytearray()
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # how a terminal says that nobody is left at the other end
                break
            if not part:
                break
            read += part
        child.wait()
    os.close(ours)
    assert child.returncode == 0
    return read.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("columns", [80, 200])
def test_charges_on_a_terminal(home: str, columns: int) -> None:
    lines = _in_a_terminal(columns, "charges", "--tenant", "t5", "--ledger", home)
    assert max(map(len, lines)) <= columns
    told = "\n".join(lines).split()
    assert told.count("gpt-4o-2024-08-06") == 5
    assert told.count("0.0035") == 5
    assert sum(len(word) == 32 for word in told) == 5, "every id is whole"


def test_piped_table_is_a_line_a_row(home: str) -> None:
    done = run("charges", "--ledger", home, env={"COLUMNS": "20"})
    assert len(done.stdout.splitlines()) == 2 + 19
