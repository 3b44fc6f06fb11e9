"""What became of each billed reply of a recording, by the readings of its spans alone.

`exact`: a reading has its leaves. `merged`: but that reasoning is inside the output, which costs the same. `flagged`:
the reading itself says that it is estimated, or cannot be used. `short`: the tokens are right, but nothing on the span
tells of the web searches. `silent`: a call without usage. `unseen`: no span that could tell. `wrong`: anything else.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from otel_genai_cost.usage.leaves import INPUT_LEAVES, OUTPUT_LEAVES, Usage
from otel_genai_cost.usage.read import Reading
from otel_genai_cost.usage.scopes import dialect_of
from tests.usage.recorded import CORPUS, RecordedCase, RecordedSpan, recordings, span_with

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "VERDICTS",
    "Reviewed",
    "billed_leaves",
    "call_of",
    "case_of",
    "read",
    "reading_of",
    "readings_of",
    "replies",
    "reviewed",
    "tells",
    "told",
]

VERDICTS: Final = ("exact", "merged", "flagged", "short", "wrong", "silent", "unseen")
_LEAF_OF: Final = {
    "cache_read": "cache_read",
    "reasoning": "reasoning",
    "audio_in": "input_audio",
    "audio_out": "output_audio",
    "web_search_requests": "web_searches",
}
Leaves = Mapping[str, int]


class Reviewed(NamedTuple):
    """Cases that somebody has looked at, what becomes of their replies, and why that is all that can be had."""

    cases: tuple[str, ...]
    verdict: str
    reason: str

    def holds(self, case_id: str, verdict: str) -> bool:
        return verdict == self.verdict and any(fnmatchcase(case_id, each) for each in self.cases)


@lru_cache(maxsize=1)
def reviewed() -> tuple[Reviewed, ...]:
    """The reviewed list."""
    listed = tomllib.loads((CORPUS / "reviewed.toml").read_text(encoding="utf-8"))["reviewed"]
    return tuple(Reviewed(tuple(e["cases"]), e["verdict"], e["reason"]) for e in listed)


def reading_of(span: RecordedSpan) -> Reading | None:
    return dialect_of(span.scope_name, span.scope_version).read(span)


def read(attributes: Mapping[str, object], scope: str, name: str = "chat") -> Reading:
    """What is read off a span of a test's own making."""
    reading = reading_of(span_with(attributes, scope=scope, name=name))
    assert reading is not None
    return reading


def case_of(case_id: str) -> RecordedCase:
    [case] = [case for case in recordings() if case.case_id == case_id]
    return case


def readings_of(case_id: str) -> list[Reading]:
    """What is read off the spans of a recording."""
    found = [reading_of(span) for span in case_of(case_id).spans]
    return [reading for reading in found if reading is not None]


def call_of(case_id: str) -> Reading:
    """The one call that a recording tells of."""
    [reading] = [each for each in readings_of(case_id) if each.role == "response"]
    return reading


def billed_leaves(billed: Mapping[str, int]) -> Leaves:
    """The disjoint leaves of what a provider billed; nothing of what is zero. A ranking is billed by the search."""
    if "search_units" in billed:
        return {"requests": billed["search_units"]}
    parts = {leaf: billed.get(name, 0) for name, leaf in _LEAF_OF.items()}
    lifetimes = {f"cache_write_{t}": billed.get(f"cache_write_{t}", 0) for t in ("5m", "1h")}
    parts.update(
        lifetimes if any(lifetimes.values()) else {"cache_write": billed.get("cache_write", 0)}
    )
    rest = {
        "input": billed["input_total"] - sum(parts.get(leaf, 0) for leaf in INPUT_LEAVES),
        "output": billed.get("output_total", 0) - sum(parts.get(leaf, 0) for leaf in OUTPUT_LEAVES),
    }
    return {leaf: n for leaf, n in {**parts, **rest}.items() if n}


def told(usage: Usage) -> Leaves:
    return {leaf: n for leaf, n in usage.leaves.items() if n}


def replies(case: RecordedCase) -> list[str]:
    """A verdict for each billed reply: the best of the readings that tell of it."""
    billed = [billed_leaves(each) for each in case.billable]
    readings = [found for span in case.spans if (found := reading_of(span)) is not None]
    calls = [each for each in readings if each.role == "response"]
    verdicts = ["silent" if calls else "unseen"] * len(billed)
    known = [each for each in calls if each.usage.quality != "unknown"]
    aggregates = [each for each in readings if each.role == "aggregate"]
    for reading in known or aggregates:
        nearest = _nearest(reading, billed, verdicts)
        if nearest is not None:
            at, verdict = nearest
            verdicts[at] = min(verdicts[at], verdict, key=VERDICTS.index)
    return verdicts


def _nearest(reading: Reading, billed: list[Leaves], verdicts: list[str]) -> tuple[int, str] | None:
    """The reply that a reading tells of, and how well; a reply that nobody has told of yet goes first."""
    order = sorted(range(len(billed)), key=lambda at: verdicts[at] not in ("silent", "unseen"))
    for verdict in ("exact", "merged", "short"):
        for at in order:
            if tells(told(reading.usage), billed[at], verdict):
                flagged = reading.usage.quality != "reported" and verdict != "exact"
                return at, "flagged" if flagged else verdict
    if not order:
        return None
    return order[0], "flagged" if reading.usage.quality != "reported" else "wrong"


def tells(leaves: Leaves, billed: Leaves, verdict: str) -> bool:
    """Whether leaves are what was billed, as `exact`, `merged` or `short` would have it."""
    if verdict == "short":
        billed = {leaf: n for leaf, n in billed.items() if leaf != "web_searches"}
    if verdict != "exact" and "reasoning" not in leaves:
        billed = _merged(billed, "output", "reasoning")
    if "cache_write" in leaves:
        billed = _merged(billed, "cache_write", "cache_write_5m", "cache_write_1h")
    return dict(leaves) == dict(billed)


def _merged(leaves: Leaves, into: str, *parts: str) -> Leaves:
    rest = {leaf: n for leaf, n in leaves.items() if leaf not in parts}
    total = rest.get(into, 0) + sum(leaves.get(part, 0) for part in parts)
    return {**rest, into: total} if total else rest


def unreviewed(case: RecordedCase) -> Iterator[str]:
    """Verdicts of a case that are not exact and that nobody has reviewed."""
    for verdict in replies(case):
        if verdict != "exact" and not any(e.holds(case.case_id, verdict) for e in reviewed()):
            yield verdict


def main() -> int:
    """Print a line for each instrumentation, and every reply that nobody has reviewed."""
    table: defaultdict[str, Counter[str]] = defaultdict(Counter)
    open_cases: list[str] = []
    for case in recordings():
        table[case.instrumentation].update(replies(case))
        open_cases += [f"{case.case_id}: {verdict}" for verdict in unreviewed(case)]
    print(f"{'':46}" + "".join(f"{verdict:>9}" for verdict in VERDICTS))
    for name, counts in (*sorted(table.items()), ("", sum(table.values(), Counter()))):
        print(f"{name or 'all':46}" + "".join(f"{counts[v] or '':>9}" for v in VERDICTS))
    print("\n".join(open_cases) or "every reply is exact or reviewed")
    return 1 if open_cases else 0


if __name__ == "__main__":
    sys.exit(main())
