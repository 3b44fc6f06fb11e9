"""`make conformance`: replays every recorded case and compares the settled charges with what the provider billed.

Prints a row for each instrumentation, and what is wrong; exit code 1 if anything is wrong or doubled.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from otel_genai_cost.pricing.load import load_book
from tests.conformance.judge import MARKS, Judgement, judge
from tests.conformance.recorded import cases, replayed

__all__ = ["judgements", "table"]


def judgements(*folders: Path) -> list[Judgement]:
    """The judgement on every reply of every case."""
    book = load_book()
    return [one for case in cases(*folders) for one in judge(case, replayed(case, book))]


def table(found: Iterable[Judgement]) -> list[tuple[str, list[int]]]:
    """How often each mark was given, by instrumentation; the sums last."""
    rows: dict[str, Counter[str]] = {}
    sums: Counter[str] = Counter()
    for one in found:
        rows.setdefault(one.case_id.split("/")[0], Counter())[one.mark] += 1
        sums[one.mark] += 1
    return [
        (name, [row[mark] for mark in MARKS])
        for name, row in [*sorted(rows.items()), ("all", sums)]
    ]


def main(arguments: list[str]) -> int:
    """Judge the corpus, or the folders named; options: `--why MARK` lists those."""
    marks = {"wrong", "doubled", "missed"}
    if "--why" in arguments:
        at = arguments.index("--why")
        marks = set(arguments[at + 1].split(","))
        del arguments[at : at + 2]
    found = judgements(*map(Path, arguments))
    print(f"{'':44}" + "".join(f"{mark:>9}" for mark in MARKS))
    for name, counts in table(found):
        print(f"{name:44}" + "".join(f"{count or '':>9}" for count in counts))
    for one in found:
        if one.mark in marks:
            print(f"{one.mark}: {one.case_id}: {one.why}")
    return 1 if any(one.mark in ("wrong", "doubled") for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
