"""`make conformance`: replays every recorded case and compares the settled charges with what the provider billed.

Prints a row for each instrumentation, and what is wrong or was never reviewed; exit code 1 if there is any. Folders may
be named to judge their recordings instead; `--why MARK,…` lists the replies with these marks.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

from otel_genai_cost.pricing.load import load_book
from tests.conformance.judge import MARKS, Judgement, judge
from tests.conformance.recorded import cases, replayed
from tests.usage.judge import reviewed

__all__ = ["BAD", "is_reviewed", "judgements", "table"]

BAD: Final = ("missed", "wrong", "doubled")
_FINE: Final = ("exact", "cautious")


@lru_cache(maxsize=1)
def judgements(*folders: Path) -> tuple[Judgement, ...]:
    """The judgement on every reply of every case."""
    book = load_book()
    return tuple(one for case in cases(*folders) for one in judge(case, replayed(case, book)))


def table(found: Iterable[Judgement]) -> list[tuple[str, list[int]]]:
    """How often each mark was given, by instrumentation; the sums last."""
    rows: dict[str, Counter[str]] = {}
    sums: Counter[str] = Counter()
    for one in found:
        rows.setdefault(one.instrumentation, Counter())[one.mark] += 1
        sums[one.mark] += 1
    return [
        (name, [row[mark] for mark in MARKS])
        for name, row in [*sorted(rows.items()), ("all", sums)]
    ]


def is_reviewed(one: Judgement) -> bool:
    """Whether it is right, or somebody has said why it cannot be better."""
    told = ("silent", "unseen") if one.mark == "unseen" else (one.mark,)
    return one.mark in _FINE or any(
        entry.holds(one.case_id, mark) for entry in reviewed() for mark in told
    )


def main(arguments: list[str]) -> int:
    marks = set(BAD)
    if "--why" in arguments:
        at = arguments.index("--why")
        marks = set(arguments[at + 1].split(","))
        del arguments[at : at + 2]
    found = judgements(*map(Path, arguments))
    print(f"{'':46}" + "".join(f"{mark:>9}" for mark in MARKS))
    for name, counts in table(found):
        print(f"{name:46}" + "".join(f"{count or '':>9}" for count in counts))
    for one in found:
        if one.mark in marks:
            print(f"{one.mark}: {one.case_id}: {one.why}")
    unreviewed = [one for one in found if one.mark not in BAD and not is_reviewed(one)]
    for one in unreviewed:
        print(f"not reviewed: {one.case_id}: {one.mark} {one.why}")
    return 1 if unreviewed or any(one.mark in BAD for one in found) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
