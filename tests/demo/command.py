"""The `genai-cost` command, as a person would call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.demo.stage import clean_environment

__all__ = ["CommandError", "genai_cost", "genai_cost_rows"]


class CommandError(RuntimeError):
    """The command did not exit with 0; the message has what it wrote on stderr."""


def genai_cost(*arguments: str | Path, stdin: str = "", width: int = 118) -> str:
    """What the command prints."""
    command = [str(Path(sys.executable).with_name("genai-cost")), *map(str, arguments)]
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**clean_environment(), "COLUMNS": str(width), "PYTHONUTF8": "1"},
        check=False,
    )
    if done.returncode:
        shown = " ".join(command[1:])
        raise CommandError(f"genai-cost {shown} exited with {done.returncode}: {done.stderr}")
    return done.stdout


def genai_cost_rows(*arguments: str | Path, stdin: str = "") -> list[dict[str, Any]]:
    """What the command prints as JSON Lines."""
    return [json.loads(line) for line in genai_cost(*arguments, stdin=stdin).split("\n") if line]
