"""What a cell of the suite is: programs, an environment, and what else is set up in it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Cell"]


class Cell(NamedTuple):
    """Programs in an environment.

    `modules` are files of `programs/`, `programs` names in them (all, if empty); `beside` is a tool of `beside.py`.
    `settings` are those of the metered run. Beside another OpenTelemetry instrumentation the baseline is
    `opentelemetry-instrument` with ours switched off. `is_tidy` says that what is left open, and in what order modules
    are imported, does not hang on when the client's own threads get to run. `installs` is false where the packages of
    the environment exclude each other.
    """

    label: str
    environment: str
    modules: tuple[str, ...]
    programs: tuple[str, ...] = ()
    beside: str = "none"
    settings: tuple[tuple[str, str], ...] = ()
    is_baseline_instrumented: bool = False
    is_metered: bool = True
    is_tidy: bool = True
    installs: bool = True
