"""Which calls a process says that it has lost: those that are, once, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import DEFAULTS
from otel_genai_cost.metering.journals import journal_by
from otel_genai_cost.pricing.load import load_book
from tests.forwarding.receivers import running
from tests.metering.programs import run

_STARTED = """
trace.set_tracer_provider(TracerProvider())
install(quiet=True)
from pathlib import Path
from otel_genai_cost import force_flush
journal = Path(os.environ["OTEL_GENAI_COST_JOURNAL"])
"""


def test_what_a_ledger_has_deleted_is_not_lost(tmp_path: Path) -> None:
    """Finished segments go once they are booked, and their marks with them."""
    ran = run(
        _STARTED
        + """
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.ledger.daemon import ship
for _ in range(400): call()
before = len(segments(journal))
say(force_flush(30))
ship(journal.parent, [journal], drain=True, retire_segments=True)
say([before > 1, len(segments(journal))])
say(force_flush(30))
""",
        tmp_path,
        {"OTEL_GENAI_COST_JOURNAL_LIMIT_MIB": "1"},
    )
    assert ran.said == [True, [True, 1], True], ran.stderr


_TAKEN_AWAY = (
    _STARTED
    + """
def lose():
    call()
    for segment in journal.glob("*.jsonl"): segment.unlink()
    return force_flush(1)
"""
)


def test_what_is_taken_away_while_it_is_written_is_said_once(tmp_path: Path) -> None:
    ran = run(_TAKEN_AWAY + "say([lose(), force_flush(1)]); call()", tmp_path)
    assert ran.said == [[False, True]]


def test_a_forked_child_says_what_it_has_lost_itself(tmp_path: Path) -> None:
    ran = run(
        _TAKEN_AWAY
        + """
say(lose())
child = os.fork()
if child == 0:
    os._exit(0 if lose() else 1)
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""",
        tmp_path,
    )
    assert ran.said == [False, 1]


@pytest.mark.parametrize("is_kept", [True, False])
def test_the_book_is_there_before_anything_is_sent_if_it_can_be(
    tmp_path: Path, is_kept: bool
) -> None:
    folder, book = tmp_path / "journal", load_book()
    settings = DEFAULTS._replace(journal=folder, registry=tmp_path / "registry")
    seen: list[list[str]] = []

    def begun() -> None:
        seen.append([one.stem for one in folder.glob("books/*.json")])

    folder.mkdir(mode=0o700)
    if not is_kept:
        (folder / "books").touch()
    assert journal_by(settings, lambda: book, begun).append({"n": 1})
    assert seen == ([[book.digest]] if is_kept else [[]])


def test_a_folder_that_was_full_before_is_sent_and_makes_room(tmp_path: Path) -> None:
    """As after an outage in which every process was restarted: there is nobody else who would send it."""
    before = Journal([tmp_path / "journal"], bound=Bound(1 << 20))
    while before.append({"type": "filler", "pad": "x" * 500}):
        pass
    before.close()
    with running(tmp_path / "there") as receiver:
        settings = {
            "OTEL_GENAI_COST_DURABILITY": "node",
            "OTEL_GENAI_COST_SHIP_TO": receiver.url,
            "OTEL_GENAI_COST_JOURNAL_LIMIT_MIB": "1",
        }
        ran = run(_STARTED + "call(); say(force_flush(45)); os._exit(0)", tmp_path, settings)
        assert ran.said == [True], ran.stderr
        kept = b"".join(receiver.kept().values())
    assert kept.count(b'"gpt-4o-mini"') > 0
