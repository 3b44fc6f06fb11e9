"""docs/prices.md, reports.md, credits.md, stores.md and others, run from top to bottom in one folder each, as a reader
would; and the examples of docs/tenancy.md."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.cli.command import run

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
_BLOCK: Final = re.compile(r"```(toml|console)\n(.*?)```", re.DOTALL)


def _commands(block: str) -> Iterator[tuple[list[str], str]]:
    """Each command and what is shown under it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield shlex.split(command), shown.strip()


@pytest.mark.parametrize(
    ("page", "commands"),
    [
        ("prices.md", 16),
        ("reports.md", 20),
        ("credits.md", 9),
        ("margin.md", 7),
        ("alerts.md", 7),
        ("budgets.md", 7),
        ("ledger.md", 1),
        ("statements.md", 15),
        ("reconciliation.md", 6),
        ("billing.md", 4),
        ("stores.md", 5),
    ],
)
def test_page_runs_as_it_is_read(tmp_path: Path, page: str, commands: int) -> None:
    for example in ("spans.jsonl", "openai-costs.json", "revenue.csv"):
        shutil.copy(DOCS / "examples" / example, tmp_path)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    env = {**clean, "OTEL_GENAI_COST_LEDGER": str(tmp_path / "home")}
    ran = 0
    for kind, block in _BLOCK.findall((DOCS / page).read_text("utf-8")):
        if kind == "toml":
            name = re.match(r"# (\S+\.toml)\n", block)
            assert name is not None, "the first line of a file is its name"
            (tmp_path / name[1]).write_text(block, encoding="utf-8")
            continue
        for command, shown in _commands(block):
            _run(command, shown, env, tmp_path)
            ran += 1
    assert ran >= commands


def test_every_example_of_tenancy_is_right() -> None:
    program = [sys.executable, "-m", "tests.docs.tenancy_examples"]
    root = DOCS.parent
    done = subprocess.run(program, cwd=root, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "9 examples\n"), done.stderr


def _run(command: list[str], shown: str, env: dict[str, str], folder: Path) -> None:
    if command[0] == "export":
        name, _, value = command[1].partition("=")
        env[name] = value
        return
    if command[0] == "unset":
        del env[command[1]]
        return
    if command[0] == "genai-cost":
        done = run(*command[1:], env=env, cwd=folder)
    else:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, (command, done.stderr)
    if shown:
        assert [line.split() for line in done.stdout.strip().splitlines()] == [
            line.split() for line in shown.splitlines()
        ], command
