"""Prices that change while an application runs, each in a process of its own: it never stops, and never guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.observation import Observation
from tests.metering.programs import Ran, run
from tests.pricing.books import price_file

_BOOK = price_file("gpt-4o-mini", "input = 1\noutput = 1")
_DEARER = _BOOK.replace("input = 1", "input = 3")
_FIRST, _SECOND = "0.0011", "0.0031"
"""1,000 tokens in and 100 out at $1 a million each; at $3 and $1."""

_PROGRAM = """
import time
from pathlib import Path
from otel_genai_cost.pricing.watch import reloads
trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
pre_instrument()
FILE = Path(os.environ["PRICES"])

def replace(text):
    new = FILE.with_suffix(".new")
    new.write_text(text)
    os.replace(new, FILE)

def wait(outcome, times=1):
    for _ in range(300):
        if reloads.get(outcome, 0) >= times:
            return
        time.sleep(0.05)
    sys.exit(f"not {outcome}: {reloads}")
"""


def _run(folder: Path, program: str, **environment: str) -> Ran:
    path = folder / "prices.toml"
    if not path.exists():
        path.write_text(_BOOK)
    variables = {
        "OTEL_GENAI_COST_QUIET": "true",
        "OTEL_GENAI_COST_RELOAD_EVERY_S": "1",
        "PRICES": str(path),
        **(environment or {"OTEL_GENAI_COST_BOOK": str(path)}),
    }
    return run(f"NEW = {_DEARER!r}\n{_PROGRAM}{program}", folder, variables)


def _kept(folder: Path, observation: Observation) -> bool:
    return (folder / "journal" / "books" / f"{observation.cost.book}.json").is_file()


def test_changed_book_prices_the_next_call(tmp_path: Path) -> None:
    ran = _run(tmp_path, "call(); replace(NEW); wait('loaded'); call()")
    assert (ran.code, ran.costs) == (0, [_FIRST, _SECOND])
    assert all(_kept(tmp_path, one) for one in ran.journalled)


def test_broken_book_keeps_the_old_one_and_says_so_once(tmp_path: Path) -> None:
    program = (
        "replace('broken'); wait('failed'); call(); time.sleep(2.2); call(); say(dict(reloads))"
    )
    ran = _run(tmp_path, program)
    assert (ran.code, ran.costs, ran.said) == (0, [_FIRST, _FIRST], [{"failed": 1}])
    (line,) = [text for text in ran.stderr.splitlines() if "prices.toml" in text]
    assert "stays in use" in line


def test_mended_book_is_used(tmp_path: Path) -> None:
    ran = _run(tmp_path, "replace('broken'); wait('failed'); replace(NEW); wait('loaded'); call()")
    assert ran.costs == [_SECOND]


def test_book_that_was_missing_at_the_start_is_used_when_it_comes(tmp_path: Path) -> None:
    program = "FILE.unlink(); call(); replace(NEW); wait('loaded'); call()"
    path = tmp_path / "late" / "prices.toml"
    program = program.replace("FILE.unlink()", "FILE.parent.mkdir()")
    ran = _run(tmp_path, program, OTEL_GENAI_COST_BOOK=str(path), PRICES=str(path))
    assert [one.cost.reason for one in ran.journalled] == ["no_price_book", None]
    assert ran.costs[1] == _SECOND
    assert len(ran.error_lines) == 1


def test_missing_overlay_prices_nothing(tmp_path: Path) -> None:
    ran = _run(tmp_path, "call()", OTEL_GENAI_COST_OVERLAYS=str(tmp_path / "no-such.toml"))
    assert [one.cost.reason for one in ran.journalled] == ["no_price_book"]
    assert "no-such.toml" in "".join(ran.error_lines)


def test_overlay_is_read_again(tmp_path: Path) -> None:
    overlay = tmp_path / "prices.toml"
    ran = _run(
        tmp_path,
        "call(); replace(NEW); wait('loaded'); call()",
        OTEL_GENAI_COST_OVERLAYS=str(overlay),
    )
    assert ran.costs == [_FIRST, _SECOND]


def test_forked_child_reloads_for_itself(tmp_path: Path) -> None:
    program = """
call()
child = os.fork()
if not child:
    replace(NEW); wait('loaded'); call()
    os._exit(0)
_, status = os.waitpid(child, 0)
wait('loaded'); call(); say(status)
"""
    ran = _run(tmp_path, program)
    assert (ran.said, sorted(ran.costs, key=str)) == ([0], [_FIRST, _SECOND, _SECOND])


@pytest.mark.parametrize(
    "environment",
    [{"OTEL_GENAI_COST_RELOAD_EVERY_S": "0"}, {"OTEL_GENAI_COST_BOOK": ""}],
    ids=["switched off", "the wheel's book"],
)
def test_no_thread_without_need(tmp_path: Path, environment: dict[str, Any]) -> None:
    base = {"OTEL_GENAI_COST_BOOK": str(tmp_path / "prices.toml")}
    program = "import threading; say([t.name for t in threading.enumerate()])"
    ran = _run(tmp_path, program, **{**base, **environment})
    assert ran.said == [["MainThread"]]


def test_code_that_names_a_broken_overlay_is_told(tmp_path: Path) -> None:
    program = """
try:
    attach(TracerProvider(), overlays="/no/such/overlay.toml")
except ValueError as error:
    say(str(error))
"""
    (said,) = run(program, tmp_path, {"OTEL_GENAI_COST_QUIET": "true"}).said
    assert "/no/such/overlay.toml" in said
