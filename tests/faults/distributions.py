"""Distributions of OpenTelemetry that we run beside, their programs asked to end and killed while they make calls, at
each durability."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple

from tests.demo.processes import ROOT, Child, Children, children
from tests.environments import distributions
from tests.environments.distribution_run import (
    around,
    command_of,
    copied,
    environment_of,
    python_of,
)
from tests.faults.ended import Stage, rows_of
from tests.faults.row import Row

__all__ = ["rows"]

_SHORT: Final = ("upstream",)
_OURS: Final = ("OTEL_GENAI_COST_", "FAULTS_")


class _Beside(NamedTuple):
    """A program beside a distribution.

    Attributes:
        row: which.
        python: of its environment.
        ours: the folder that we are copied into, as an operator does it.
        provider: where it sends its calls.
        endpoint: where it sends its spans.
    """

    row: distributions.Row
    python: Path
    ours: Path
    provider: str
    endpoint: str

    def start(
        self, own: Children, folder: Path, environment: dict[str, str]
    ) -> tuple[Child, AbstractContextManager[object]]:
        """Start it; it makes calls of itself."""
        theirs = environment_of(self.row, folder, self.python, self.provider, self.endpoint)
        ours = {name: value for name, value in environment.items() if name.startswith(_OURS)}
        ours["PYTHONPATH"] = os.pathsep.join((str(self.ours), str(ROOT)))
        command = [
            *command_of(self.row, self.python),
            *("-m", "tests.faults.distribution_calls", self.row.set_up),
        ]
        return own.start(self.row.name, command, folder / "log", {**theirs, **ours}), nullcontext()


def _one_of_each() -> dict[str, distributions.Row]:
    """The first way of each release: a program is ended alike, whoever set its provider up."""
    found: dict[str, distributions.Row] = {}
    for row in distributions.ROWS:
        found.setdefault(row.environment, row)
    return found


def rows(short: bool) -> Iterator[Row]:
    """A row for each release of each distribution and each way to end, over all levels."""
    every = _one_of_each()
    with (
        tempfile.TemporaryDirectory(prefix="distributions-") as name,
        children() as started,
        around() as (provider, received),
    ):
        folder = Path(name)
        ours = copied(folder)
        starts = {
            label: _Beside(row, python_of(row), ours, provider.url, received.endpoint).start
            for label, row in every.items()
            if not short or label in _SHORT
        }
        yield from rows_of(Stage(folder, started), starts)
