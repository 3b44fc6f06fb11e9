"""Streams that nobody finished are written down at every orderly end of a process, and at once where all that counts
had come."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.rig import Rig


def _qualities(rig: Rig) -> list[str]:
    """Of the usage: that of a stream which was left is estimated from what had come."""
    return [each.reading.usage.quality for each in rig.observations()]


@pytest.mark.parametrize("kind", ["itself", "fork", "executor", "billiard"])
def test_a_stream_left_open_is_listed_however_its_process_ends(rig: Rig, kind: str) -> None:
    command = [sys.executable, "-m", "tests.e2e.leaver", kind]
    assert rig.start_command(kind, command, {"OTEL_GENAI_COST_STARTS": "off"}).wait(60) == 0
    assert _qualities(rig) == ["estimated"]
    assert {each.calls for each in rig.charged()} == {1}


def test_streams_left_in_celerys_children_are_listed(rig: Rig, tmp_path: Path) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    sending = (
        "from tests.e2e.leaver import app, leave_later\n"
        f"app.conf.broker_transport_options = {_transport(queue)}\n"
        "[leave_later.delay(left) for left in ('kept', 'thrown away', 'kept')]\n"
    )
    off = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery", "OTEL_GENAI_COST_STARTS": "off"}
    assert rig.start_command("sender", [sys.executable, "-c", sending], off).wait(60) == 0
    worker = (
        "from tests.e2e.leaver import app\n"
        f"app.conf.broker_transport_options = {_transport(queue)}\n"
        "app.worker_main(['worker', '-c1', '-Pprefork', '-lERROR', '--without-mingle'])\n"
    )
    child = rig.start_command("worker", [sys.executable, "-c", worker], off)
    child.find(r"(?s)(left.*){3}")
    child.process.terminate()
    child.wait(30)
    assert _qualities(rig) == ["estimated"] * 3


def _transport(queue: Path) -> dict[str, str]:
    control = queue / "control"
    control.mkdir(exist_ok=True)
    return {
        "data_folder_in": str(queue),
        "data_folder_out": str(queue),
        "control_folder": str(control),
    }
