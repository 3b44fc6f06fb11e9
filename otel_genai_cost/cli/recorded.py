"""Recorded spans that a command reads: a line that is none stops nobody, and is reported."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import typer

from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.replay.recordings import Recording, recordings

__all__ = ["Recorded"]

_NAMED_MAX: Final = 5
"""Lines that are reported one by one: a file may have as many as a log."""


class Recorded:
    """The requests of files, folders and `-`.

    Raises:
        ConfigurationError: for a path that is not there.
    """

    def __init__(self, paths: list[str]) -> None:
        self._malformed = self._refused = 0
        self._found = recordings(paths, sys.stdin.buffer, self._refuse)

    def __iter__(self) -> Iterator[Recording]:
        for one in self._found:
            self._malformed += one.request.malformed
            yield one

    def _refuse(self, error: ConfigurationError) -> None:
        self._refused += 1
        if self._refused <= _NAMED_MAX:
            note(str(error))

    def close(self) -> None:
        """Say what was left out. Raises typer.Exit with code 1 if anything could not be read."""
        if self._malformed:
            note(f"{self._malformed} span(s) without a trace or span id were left out")
        if self._refused:
            note(f"{self._refused} line(s) or message(s) were left out; everything else was read")
            raise typer.Exit(1)
