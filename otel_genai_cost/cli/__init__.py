"""`genai-cost`: what people and their scripts ask the ledger, the price book and recordings.

Made from what the rooms below answer; a command, or its group, stands in the file or folder of its name. An error is
one line on stderr that says what to do, and exit code 2.
"""

from __future__ import annotations

import io
import os
import sqlite3
import sys

from otel_genai_cost.errors import GenAICostError, MissingExtraError
from otel_genai_cost.reports.printable import printable

__all__ = ["main"]


def main() -> None:
    """The console script."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever a model is called
    sys.exit(_run(sys.argv[1:]))


def _run(arguments: list[str]) -> int:
    try:
        from otel_genai_cost.cli.app import run
    except ImportError as error:
        missing = error.name if error.name in ("typer", "click") else None
        if missing is None:
            raise
        sys.stderr.write(f"{MissingExtraError('the command line', missing, 'cli')}\n")
        return 2
    try:
        code = run(arguments)
        if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] -- `genai-cost … >&-`
            sys.stdout.flush()
    except GenAICostError as error:
        return _write_error(str(error))
    except sqlite3.Error as error:
        from otel_genai_cost.ledger.storage.keeping import remedy

        return _write_error(f"the ledger cannot be read: {error}; {remedy(None, error)}")
    except BrokenPipeError:  # `genai-cost entries --json | head`
        _discard_output()
        return 0
    except OSError as error:
        _discard_output()
        return _write_error(f"{error}; name a place that can be read and written, with room on it")
    return code


def _write_error(message: str) -> int:
    sys.stderr.write(printable(" | ".join(message.splitlines())) + "\n")
    return 2


def _discard_output() -> None:
    """What could not be written is not tried again when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
