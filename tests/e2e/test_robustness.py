"""An application dies, forks, or has its journal or its configuration broken: no answered call is lost, and the
application never notices."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.caller import ABSURD
from tests.e2e.rig import Rig, mtok, observations_in

_FINE = "application is fine"


def _errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if "OTEL_GENAI_COST_" in line]


def _bound_by_permissions() -> list[str]:
    """How to start a command so that even root may not write to a read-only folder."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.skip("root may write to a read-only folder, and there is no setpriv to give that up")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


def test_kill_9_loses_no_answered_call(rig: Rig) -> None:
    app = rig.start("until_killed", "7")
    app.find("^answered$")
    os.kill(app.process.pid, signal.SIGKILL)
    assert app.wait(10) == -signal.SIGKILL
    assert [each.cost.status for each in rig.observations()] == ["priced"] * 7
    assert [each.calls for each in rig.charged()] == [1] * 7


@pytest.mark.parametrize("answers", [1, 17, 60])
def test_kill_9_at_any_point_loses_no_answered_call_and_doubles_none(
    rig: Rig, answers: int
) -> None:
    app = rig.start("answering", "4")
    app.find(rf"(?:chatcmpl\S+\n){{{answers}}}")
    os.kill(app.process.pid, signal.SIGKILL)
    app.wait(10)
    answered = set(re.findall(r"^(chatcmpl\S+)\n", app.output(), re.MULTILINE))
    found = [each.reading.response_id for each in rig.observations(torn=True)]
    assert len(answered) >= answers and answered <= set(found)
    assert len(found) == len(set(found)) == sum(each.calls for each in rig.charged())


def test_an_exit_without_handlers_loses_no_call(rig: Rig) -> None:
    assert rig.run("hard_exit", "5").code == 0
    assert len(rig.observations()) == 5


def test_forked_children_journal_for_themselves(rig: Rig) -> None:
    assert rig.run("forks", "3", "2").code == 0
    found = rig.observations()
    assert len(found) == len({each.id for each in found}) == 2 + 3 * 2 + 2
    assert {each.attribution.tenant for each in found} == {"acme"}
    assert sum(each.calls for each in rig.charged()) == len(found)


def test_a_deleted_journal_folder_is_made_anew(rig: Rig, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    app = rig.start("around_a_gate", "3", str(gate))
    app.find("^answered$")
    shutil.rmtree(rig.journal)
    gate.touch()
    assert app.wait(30) == 0
    found = rig.observations()
    # All that came after, and what had come since the look before: at most once each.
    assert 3 <= len(found) == len({each.id for each in found}) <= 6


def test_a_journal_folder_that_cannot_be_written_falls_back(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    state = tmp_path / "state"
    ended = rig.run(
        *("survives", "2"),
        OTEL_GENAI_COST_JOURNAL=str(tmp_path / "a-file" / "journal"),
        XDG_STATE_HOME=str(state),
    )
    assert (ended.code, _FINE in ended.output) == (0, True)
    [line] = _errors(ended.output)
    assert str(tmp_path / "a-file" / "journal") in line and str(state) in line
    assert len(observations_in(state / "otel-genai-cost" / "journal")) == 2


def test_a_read_only_journal_folder_falls_back(rig: Rig, tmp_path: Path) -> None:
    rig.journal.mkdir(parents=True)
    rig.journal.chmod(0o555)
    state = tmp_path / "state"
    command = [*_bound_by_permissions(), sys.executable, "-m", "tests.e2e.caller", "survives", "2"]
    app = rig.start_command("survives", command, {"XDG_STATE_HOME": str(state)})
    assert app.wait(30) == 0
    assert len(observations_in(state / "otel-genai-cost" / "journal")) == 2


@pytest.mark.parametrize("limit_bytes", [0, 3000], ids=["full", "filling"])
def test_a_full_disk_loses_nothing_once_there_is_room(rig: Rig, limit_bytes: int) -> None:
    ended = rig.run("on_a_small_disk", "8", str(limit_bytes))
    assert (ended.code, _FINE in ended.output) == (0, True)
    found = Counter(each.id for each in rig.observations(torn=True))
    assert len(found) == 8 and set(found.values()) == {1}


def test_no_folder_at_all_leaves_the_application_alone(rig: Rig, tmp_path: Path) -> None:
    nowhere = tmp_path / "a-file"
    nowhere.touch()
    ended = rig.run(
        *("survives", "2"),
        OTEL_GENAI_COST_JOURNAL=str(nowhere / "journal"),
        XDG_STATE_HOME=str(nowhere),
        TMPDIR=str(nowhere),
    )
    assert (ended.code, _FINE in ended.output) == (0, True)
    assert len([line for line in ended.output.splitlines() if "not" in line.lower()]) >= 1
    assert "OTEL_GENAI_COST_JOURNAL" in ended.output


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wrong.json", b'{"schema": "otel-genai-cost/1", "models": 3}'),
        ("endless.json", b'{"schema": "' + b"x" * 40_000_000 + b'"}'),
        ("missing.toml", None),
    ],
)
def test_a_broken_price_file_leaves_calls_unpriced(
    rig: Rig, tmp_path: Path, name: str, content: bytes | None
) -> None:
    book = tmp_path / name
    if content is not None:
        book.write_bytes(content)
    ended = rig.run("survives", "2", OTEL_GENAI_COST_BOOK=str(book))
    assert (ended.code, _FINE in ended.output) == (0, True)
    assert len(_errors(ended.output)) == 1 and name in ended.output
    costs = [(each.cost.status, each.cost.reason) for each in rig.observations()]
    assert costs == [("unpriced", "no_price_book")] * 2


def test_a_price_file_that_never_ends_does_not_stop_the_application(
    rig: Rig, tmp_path: Path
) -> None:
    book = tmp_path / "pipe.toml"
    os.mkfifo(book)
    ended = rig.run("survives", "1", OTEL_GENAI_COST_BOOK=str(book))
    assert (ended.code, _FINE in ended.output) == (0, True)
    assert [each.cost.reason for each in rig.observations()] == ["no_price_book"]


def test_unknown_option_values_are_one_error_line_each_and_safe_defaults(rig: Rig) -> None:
    values = {
        "OTEL_GENAI_COST_TENANT": "headr:x-org-id",
        "OTEL_GENAI_COST_ENABLED": "perhaps",
        "OTEL_GENAI_COST_ATTRIBUTES": "sparkling",
        "OTEL_GENAI_COST_STALE_AFTER_S": "-5",
        "OTEL_GENAI_COST_RECORD_UNSAMPLED": "rarely",
        "OTEL_GENAI_COST_FSYNC": "sometimes",
    }
    ended = rig.run("survives", "1", **values)
    assert (ended.code, _FINE in ended.output) == (0, True)
    lines = _errors(ended.output)
    for variable, value in values.items():
        assert len([line for line in lines if variable in line and value in line]) == 1
    assert len(lines) == len(values)
    assert [each.cost.status for each in rig.observations()] == ["priced"]


def test_malformed_spans_are_unpriced_and_break_nothing(rig: Rig) -> None:
    ended = rig.run("malformed")
    assert (ended.code, f"{_FINE} True" in ended.output) == (0, True)
    assert "Traceback" not in ended.output
    *absurd, crowded, twice, raised = rig.observations()
    assert {each.cost.status for each in absurd} == {"unpriced"}
    assert len(absurd) == len(ABSURD) + 3
    assert [each.cost.reason for each in absurd[-3:]] == ["invalid_time"] * 3
    sound = mtok((100, "0.15"), (10, "0.60"))
    assert [each.cost.total for each in (crowded, twice, raised)] == [sound] * 3
    assert raised.reading.error is not None
    charged = rig.charged()
    assert sum(each.calls for each in charged) == len(absurd) + 3
    assert sum(each.amount for each in charged) == 3 * sound


def test_a_span_that_ends_on_both_sides_of_a_fork_is_one_charge(rig: Rig) -> None:
    assert rig.run("span_across_a_fork").code == 0
    assert len(rig.observations()) == 2
    assert [each.calls for each in rig.charged()] == [1]


def test_a_collector_that_is_down_costs_no_charge(rig: Rig) -> None:
    app = rig.start(
        *("until_killed", "4"),
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_BSP_SCHEDULE_DELAY="50",
    )
    app.find("^answered$")
    app.kill()
    assert len(rig.observations()) == 4


def test_a_disabled_sdk_is_no_trouble(rig: Rig) -> None:
    ended = rig.run("survives", "1", OTEL_SDK_DISABLED="true")
    assert (ended.code, _FINE in ended.output) == (0, True)
    assert "Traceback" not in ended.output


def test_switched_off_means_off(rig: Rig) -> None:
    assert _FINE in rig.run("survives", "1", OTEL_GENAI_COST_ENABLED="false").output
    assert not rig.home.exists()
