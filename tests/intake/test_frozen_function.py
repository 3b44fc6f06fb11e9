"""A function that is frozen or killed after each answer, before a real ledger: no call is missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.intake.served import serving, wait_for_calls
from tests.metering.programs import FUNCTION, PRELUDE


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_what_was_answered_is_booked(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path / "there") as served:
        settings = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "OTEL_GENAI_COST_QUIET": "true",
            "OTEL_GENAI_COST_REGISTRY": str(tmp_path / "registry"),
            "OTEL_GENAI_COST_FLUSH_TIMEOUT_MS": "60000",
            "OTEL_GENAI_COST_DURABILITY": "node",
            "OTEL_GENAI_COST_SHIP_TO": f"http://{served.at}",
        }
        process: subprocess.Popen[str] | None = None
        for number in range(3):
            if process is None:  # a new instance, whose disk is empty
                settings["OTEL_GENAI_COST_JOURNAL"] = str(tmp_path / f"journal-{number}")
                process = subprocess.Popen(
                    [sys.executable, "-c", PRELUDE + FUNCTION],
                    env=settings,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == number
            os.kill(process.pid, how)
            if how is signal.SIGSTOP and number < 2:
                os.kill(process.pid, signal.SIGCONT)
                continue
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()
            process = None
        assert sum(wait_for_calls(served, 3).values()) == 3
