"""`make mutations`: breaks the rules of settlement one at a time and shows which breaks the tests catch.

Each mutation is a piece of source and what it becomes, in a copy of the tree; the tests of the ledger run on that.
Exit code 1 if a mutation survives, or if its piece of source is no longer there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
_TESTS: Final = ("tests/ledger/test_settle.py", "tests/ledger/test_store.py")


class Mutation(NamedTuple):
    """One break: in which file of the ledger, what is replaced and by what."""

    name: str
    file: str
    old: str
    new: str


MUTATIONS: Final = (
    Mutation(
        "0: another copy is another response", "settle", "if one.id == other.id:", "if False:"
    ),
    Mutation("1: any provider", "settle", "if mine.provider != theirs.provider:", "if False:"),
    Mutation(
        "1: any usage", "settle", "if not unknown and _input(one) != _input(other):", "if False:"
    ),
    Mutation(
        "1: any time",
        "settle",
        "return _meet(one, other) or (is_anytime",
        "return True or (is_anytime",
    ),
    Mutation(
        "1: a batch only while it overlaps",
        "settle",
        "return _meet(one, other) or (is_anytime(one) and is_anytime(other))",
        "return _meet(one, other)",
    ),
    Mutation("1: skew on one clock", "settle", "(0 if same_clock else -SKEW_US)", "-SKEW_US"),
    Mutation("1: no polls", "settle", 'if "poll" in (mine.role, theirs.role):', "if False:"),
    Mutation(
        "2: any usage",
        "settle",
        "return _kin(one, other) and _input(one) is not None and _input(one) == _input(other)",
        "return _kin(one, other)",
    ),
    Mutation("2: any trace", "settle", "one.trace_id == other.trace_id and (", "True and ("),
    Mutation("2: sums added again", "settle", "in below[at] - found]", "in below[at]]"),
    Mutation(
        "2: no sums",
        "settle",
        "            found.add(at)\n    return frozenset",
        "            pass\n    return frozenset",
    ),
    Mutation(
        "3: the same scope",
        "settle",
        "                    if one.scope not in scopes:\n",
        "                    if True:\n",
    ),
    Mutation(
        "3: any process",
        "settle",
        "if one.scope == other.scope or one.origin.process != other.origin.process:",
        "if one.scope == other.scope:",
    ),
    Mutation(
        "3: two tenants in one response",
        "settle",
        "return len(tenants) <= 1 and self._rule",
        "return self._rule",
    ),
    Mutation("3: any output", "settle", "return len(outputs) <= 1 and _overlap", "return _overlap"),
    Mutation(
        "3: any time",
        "settle",
        "return len(outputs) <= 1 and _overlap(one, other)",
        "return len(outputs) <= 1",
    ),
    Mutation(
        "3: any input",
        "settle",
        "or _input(one) is None or _input(one) != _input(other):",
        "or _input(one) is None:",
    ),
    Mutation(
        "3: the trace does not matter",
        "settle",
        "if any(member.observation.trace_id == one.trace_id",
        "if any(False",
    ),
    Mutation("no rule 3", "settle", "    (3, _side_by_side),\n", ""),
    Mutation(
        "no skew",
        "settle",
        "return _shared_us(one, other) >= -SKEW_US",
        "return _shared_us(one, other) >= 0",
    ),
    Mutation(
        "a minute of skew", "evidence", "SKEW_US: Final = 2_000_000", "SKEW_US: Final = 60_000_000"
    ),
    Mutation("the weakest rule first", "settle", "rule < best[0]", "rule > best[0]"),
    Mutation(
        "silent: the first of several", "settle", "alone = len(kin) != 1 or", "alone = not kin or"
    ),
    Mutation(
        "silent: failed or not", "settle", "and failed == (member", "and True or failed == (member"
    ),
    Mutation("silent: never", "settle", "alone = len(kin) != 1 or", "alone = True or"),
    Mutation(
        "aggregates count", "settle", 'repeats = role == "aggregate" and', "repeats = False and"
    ),
    Mutation(
        "aggregates never count", "settle", "and (one.trace_id, one.span_id) in told_below\n", "\n"
    ),
    Mutation("cumulative spans count", "settle", 'or role == "cumulative")', "or False)"),
    Mutation(
        "unlinks forgotten",
        "settle",
        "    if one.id in unlinks or other.id in unlinks:\n        return None\n",
        "",
    ),
    Mutation(
        "unlinked sums stay sums",
        "settle",
        " or any(member.observation.id in unlinks for member in members)",
        "",
    ),
    Mutation(
        "sorted by id", "settle", "key=lambda one: (one.end_us, one.id))", "key=lambda one: one.id)"
    ),
    Mutation(
        "as they came",
        "settle",
        "ordered = sorted(observations, key=lambda one: (one.end_us, one.id))",
        "ordered = list(observations)",
    ),
    Mutation("id of the last", "verdict", "first = observations[0]", "first = observations[-1]"),
    Mutation(
        "the poorest",
        "verdict",
        "max(observations, key=_richness)",
        "min(observations, key=_richness)",
    ),
    Mutation(
        "a poll alone is priced",
        "verdict",
        "richest.cost if calls else unpriced",
        "richest.cost if True else unpriced",
    ),
    Mutation(
        "a poll names the tenant",
        "verdict",
        "_attribution(calls or observations, above)",
        "_attribution(observations, above)",
    ),
    Mutation(
        "wrappers say nothing",
        "verdict",
        "*above.wrappers(calls)]\n    speaking",
        "]\n    speaking",
    ),
    Mutation("nothing is inherited", "verdict", "if _speaks(one)][:1]", "if _speaks(one)][:0]"),
    Mutation(
        "the first tenant wins a conflict",
        "verdict",
        "elif len({(one.tenant, one.shares) for one in best}) > 1:",
        "elif False:",
    ),
    Mutation("the least trusted", "verdict", "rank = min((trust_rank", "rank = max((trust_rank"),
    Mutation(
        "labels of anybody", "verdict", "if not _speaks(one) or one.tenant == chosen.tenant]", "]"
    ),
    Mutation(
        "a context keeps nobody apart",
        "verdict",
        "told = [one.attribution, *self.wrappers((one,))]",
        "told = [one.attribution]",
    ),
    Mutation(
        "copies never conflict",
        "verdict",
        "if facts.setdefault(one.id, told) != told:",
        "if False:",
    ),
    Mutation(
        "charges come in part",
        "neighbours",
        'numbers |= self._numbers("SELECT n FROM observation WHERE charge_id", charges)',
        "pass",
    ),
    Mutation(
        "no trace of what is forgotten",
        "neighbours",
        "return numbers | self._by_trace(edge)",
        "return numbers",
    ),
    Mutation(
        "twins of one scope",
        "neighbours",
        "scopes.get(_digest(key), set()) - {one.observation.scope}",
        "scopes.get(_digest(key), set())",
    ),
    Mutation(
        "direct neighbours only",
        "neighbours",
        "        while edge:\n",
        "        for _ in range(1):\n",
    ),
    Mutation(
        "ids by the day",
        "evidence",
        "_LONG_STRETCH_US: Final = 3_600_000_000",
        "_LONG_STRETCH_US: Final = 3_600_000_000_000",
    ),
    Mutation("late is not told", "bookkeeping", 'return ("late",) if late else ()', "return ()"),
    Mutation(
        "the newest charge stays",
        "bookkeeping",
        "key=lambda item: item[1].first_seq))",
        "key=lambda item: -item[1].first_seq))",
    ),
)


def caught(mutation: Mutation, folder: Path) -> str:
    """The test that fails with this break; empty if none does."""
    path = folder / "otel_genai_cost" / "ledger" / f"{mutation.file}.py"
    source = path.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        return "NOT FOUND in the source"
    path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "--no-header",
                *_TESTS,
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        path.write_text(source, encoding="utf-8")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split("::")[-1].split(" - ")[0] if failed else ""


def main(names: list[str]) -> int:
    """Try every mutation, or those whose name holds one of the words given."""
    survivors = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("otel_genai_cost", "tests", "instrumentors", "exporters"):
            shutil.copytree(
                ROOT / part, folder / part, ignore=shutil.ignore_patterns("corpus", "__pycache__")
            )
        shutil.copy(ROOT / "pyproject.toml", folder)
        for mutation in MUTATIONS:
            if names and not any(word in mutation.name for word in names):
                continue
            test = caught(mutation, folder)
            survivors += not test or test.startswith("NOT")
            print(
                f"{'survives' if not test else 'caught  '}  {mutation.name:44} {test}", flush=True
            )
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
