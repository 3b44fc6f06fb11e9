"""What a program that is going to be ended says of its calls, in a file: `made NAME`, `promised NAME`."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Final

from otel_genai_cost import force_flush

__all__ = ["made", "spoken"]

_PROMISE_EVERY: Final = 5
_PROMISES_MAX: Final = 2
"""Of a process: what comes then is nobody's but its end's."""

_counted: Final = itertools.count(1)
_promised: Final[list[str]] = []


def made(name: str) -> None:
    """Say that a call was made, and now and then wait until all of them are durable, and say that.

    Args:
        name: of the call's span, or of its response.
    """
    _say(f"made {name}\n")
    asks = next(_counted) % _PROMISE_EVERY == 0 and len(_promised) < _PROMISES_MAX
    if asks and force_flush(10):
        _promised.append(name)
        _say(f"promised {name}\n")


def _say(line: str) -> None:
    said = os.open(os.environ["FAULTS_SAID"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(said, line.encode())
    finally:
        os.close(said)


def spoken(said: Path) -> tuple[set[str], set[str]]:
    """What was made, and what of it was promised.

    Args:
        said: the file.
    """
    found: dict[str, set[str]] = {"made": set(), "promised": set()}
    if said.exists():
        for line in said.read_text().splitlines():
            word, _, name = line.partition(" ")
            found[word].add(name)
    return found["made"], found["promised"]
