"""`make mutations`: breaks what settles calls, and what brings them there, and shows which breaks the tests catch.

Each break of a list is made in a copy of the tree, and the list's tests run on that. Exit code 1 if a break survives,
or if its piece of source is no longer there.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT: Final = Path(__file__).resolve().parents[2]
_LISTS: Final = {
    "ledger": (
        "ledger/settlement/test_rules",
        "ledger/settlement/test_settle",
        "ledger/settlement/test_strangers",
        "ledger/storage/test_copies",
        "ledger/storage/test_store",
        "ledger/test_simulation",
    ),
    "simulation": ("simulation/test_story",),
}
"""By the folder that has the list: the tests."""


class Mutation(NamedTuple):
    """One break: in which file of the core, what is replaced and by what, and the tests that are to notice it."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


def mutations() -> Iterator[Mutation]:
    """Every break of the lists."""
    for folder, tests in _LISTS.items():
        text = (ROOT / "tests" / folder / "mutations.toml").read_text(encoding="utf-8")
        for file, breaks in tomllib.loads(text).items():
            for name, (old, new) in breaks.items():
                yield Mutation(name, file, old, new, tests)


def source_of(mutation: Mutation, root: Path = ROOT) -> Path:
    """The file that is broken."""
    return root / "otel_genai_cost" / f"{mutation.file}.py"


def _caught(mutation: Mutation, folder: Path) -> str:
    """The test that fails with this break; empty if none does."""
    path = source_of(mutation, folder)
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(mutation.old, mutation.new), encoding="utf-8")
    tests = [f"tests/{name}.py" for name in mutation.tests]
    command = [sys.executable, "-m", "pytest", "-xq", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            [*command, "-k", "not killed"], cwd=folder, capture_output=True, text=True, check=False
        )
    finally:
        path.write_text(source, encoding="utf-8")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split("::")[-1].split(" - ")[0] if failed else ""


def main(names: list[str]) -> int:
    """Try every break, or those whose name holds one of the words given."""
    survivors = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("otel_genai_cost", "tests", "instrumentors", "exporters"):
            ignored = shutil.ignore_patterns("corpus", "__pycache__")
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        for mutation in mutations():
            if names and not any(word in mutation.name for word in names):
                continue
            test = _caught(mutation, folder)
            survivors += not test
            print(f"{'caught  ' if test else 'survives'}  {mutation.name:40} {test}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
