"""The command in the test's own process: a start of Python for each line would take the suite's time."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from otel_genai_cost.cli import _run  # pyright: ignore[reportPrivateUsage] -- what the console script runs

__all__ = ["Done", "call", "rows_of"]


class Done(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Its JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Done:
    """Run a command line."""
    capsys.readouterr()
    code = _run(list(arguments))
    captured = capsys.readouterr()
    return Done(code, captured.out, captured.err)


def rows_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """The JSON Lines of a command that succeeds."""
    done = call(capsys, *arguments, "--json")
    assert done.code == 0, done.err
    return done.rows
