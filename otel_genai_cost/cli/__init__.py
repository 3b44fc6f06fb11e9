"""`genai-cost`: one file a command group. An error is one line on stderr that says what to do, and exit code 2."""

from __future__ import annotations

import sys

from otel_genai_cost.errors import GenAICostError, MissingExtraError

__all__ = ["main"]


def main() -> None:
    """The console script."""
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
        return run(arguments)
    except GenAICostError as error:
        sys.stderr.write(" | ".join(str(error).splitlines()) + "\n")
        return 2
    except BrokenPipeError:  # `genai-cost entries --json | head`
        sys.stderr.close()
        return 0
