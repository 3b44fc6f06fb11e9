"""`make faults` and those beside it (`-act`, `-statements`, `-scale`): what must hold while processes are killed.

Usage: python -m tests.faults.run [--short] [NAME …]

Each file beside this one that has `rows(short)` adds its rows; names choose among the files. `delivery` names those of
journals on their way to a ledger, `money` those of statements and what follows from them, `scale` those of sinks and
streams, `act` all others: gates, caps, credits and notices.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from tests.faults.row import Row

__all__ = ["found", "main", "named"]

_HERE: Final = Path(__file__).parent

_DELIVERY: Final = (
    *("fleet", "journal", "outages", "servers", "distributions", "shipping", "simulated"),
    "standby",
)
_MONEY: Final = ("billing", "margin", "statements")

Rows = Callable[[bool], Iterator[Row]]


def named() -> dict[str, Rows]:
    """What gives the rows of each file that has any."""
    names = sorted(path.stem for path in _HERE.glob("*.py"))
    modules = {
        name: importlib.import_module(f"tests.faults.{name}") for name in names if name != "run"
    }
    return {name: one.rows for name, one in modules.items() if hasattr(one, "rows")}


def found(names: Sequence[str], short: bool) -> Iterator[Row]:
    """The rows, each as soon as it is known.

    Args:
        names: of files and groups; none for all.
        short: whether a smaller number of faults will do.
    """
    every, groups = named(), _groups()
    for name in names or every:
        for each in groups.get(name, (name,)):
            yield from every[each](short)


def _groups() -> dict[str, tuple[str, ...]]:
    every = named()
    scale = tuple(name for name in every if name.startswith("scale_"))
    return {
        "delivery": _DELIVERY,
        "money": _MONEY,
        "scale": scale,
        "act": tuple(name for name in every if name not in (*_DELIVERY, *_MONEY, *scale)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="fewer faults")
    parser.add_argument(
        "names", nargs="*", help=f"which of {', '.join((*_groups(), *named()))}; all"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - {*_groups(), *named()}:
        parser.error(f"no such file: {', '.join(sorted(unknown))}")
    print(_line("what was done", "wanted", "found", "", "s"))
    failed = 0
    for row in found(options.names, options.short):
        failed += not row.held
        print(
            _line(
                row.name,
                row.wanted,
                row.found,
                "ok" if row.held else "FAILED",
                f"{row.seconds:.0f}",
            )
        )
        sys.stdout.flush()
    print(f"{failed} row(s) failed" if failed else "all rows hold")
    return 1 if failed else 0


def _line(name: str, wanted: str, result: str, verdict: str, seconds: str) -> str:
    return f"{name:66} {wanted:22} {result:44} {verdict:6} {seconds:>5}"


if __name__ == "__main__":
    sys.exit(main())
