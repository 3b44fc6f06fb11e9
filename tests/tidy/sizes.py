"""Size rules: files of at most 400 lines, functions of at most 60 with a median of at most 10.

Run by `make check`; prints every offender and exits 1 if there is one.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = ("otel_genai_cost", "instrumentors", "exporters", "tests")
FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 60
FUNCTION_LINES_MEDIAN_MAX: Final = 10
FACTS_LINES_MAX: Final = {"clients": 120, "queues": 80}
"""Of files of facts, by their folder in the instrumentors."""


def python_files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Name, first line and length of every function; a docstring counts, decorators do not."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1


def problems() -> Iterator[str]:
    lengths: list[int] = []
    for path in python_files(*SOURCES):
        place = path.relative_to(ROOT)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        is_facts = "tests" not in place.parts
        limit = (
            FACTS_LINES_MAX.get(path.parent.name, FILE_LINES_MAX) if is_facts else FILE_LINES_MAX
        )
        if lines > limit:
            yield f"{place}: {lines} lines, at most {limit}; split it by what changes together"
        for name, line, length in functions(path):
            if "tests" not in place.parts:
                lengths.append(length)
            if length > FUNCTION_LINES_MAX:
                yield f"{place}:{line}: {name} has {length} lines, at most {FUNCTION_LINES_MAX}"
    median = statistics.median(lengths)
    print(f"{len(lengths)} functions, median {median:g} lines, longest {max(lengths)}")
    if median > FUNCTION_LINES_MEDIAN_MAX:
        yield f"the median function has {median:g} lines, at most {FUNCTION_LINES_MEDIAN_MAX}"


def main() -> int:
    found = list(problems())
    print("\n".join(found) or "sizes: fine")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
