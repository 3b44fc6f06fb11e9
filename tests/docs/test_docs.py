"""The documentation says what the code says: tables are current, examples run, links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.docs.generate import (
    DECISIONS,
    PAGES,
    README,
    REFERENCE,
    TENANCY,
    decisions,
    readme,
    tenancy,
)
from tests.queues.cases import CASES
from tests.tenancy.wrong_tenants import WRONG

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES_WITH_EXAMPLES: Final = sorted(
    page
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if page.name
    not in (
        "prices.md",
        "reports.md",
        "credits.md",
        "margin.md",
        "tenancy.md",
    )  # test_pages.py runs them whole
)


@pytest.mark.parametrize("name", PAGES)
def test_generated_table_is_current(name: str) -> None:
    text = (REFERENCE / name).read_text(encoding="utf-8")
    assert text == PAGES[name]() + "\n", "run `make docs`"


def test_readme_has_the_settings_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("OTEL_GENAI_COST_TENANT`") == 1
    assert text == readme(), "run `make docs`"


def test_every_queue_stands_on_the_page_of_tenancy() -> None:
    assert TENANCY.read_text(encoding="utf-8") == tenancy(), "run `make docs`"


@pytest.mark.parametrize("name", sorted({name for row in WRONG for name in row.tests}))
def test_what_holds_that_nobody_else_pays_is_there(name: str) -> None:
    place, _, test = name.partition("::")
    function, _, kind = test.rstrip("]").partition("[")
    source = (ROOT / place).read_text(encoding="utf-8")
    assert re.search(rf"^def {function}\(", source, re.MULTILINE)
    assert not kind or kind in CASES


def test_every_decision_is_listed_and_says_what_lost() -> None:
    assert DECISIONS.read_text(encoding="utf-8") == decisions(), "run `make docs`"
    files = sorted(DECISIONS.parent.glob("[0-9]*.md"))
    assert [one.name for one in files if "**What lost.**" not in one.read_text("utf-8")] == []


def _named_files() -> list[tuple[Path, str]]:
    """Python files that pages name, but for a decision that another one replaced, and the reference, which is made."""
    decided = DECISIONS.parent.glob("[0-9]*.md")
    pages = [ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *sorted(decided)]
    return [
        (page, name)
        for page in pages
        if ". Replaced by" not in (text := page.read_text(encoding="utf-8"))
        for name in sorted(set(re.findall(r"`([\w/]+\.py)`", text)))
    ]


@pytest.mark.parametrize(("page", "name"), _named_files(), ids=lambda value: str(value)[-40:])
def test_a_file_that_is_named_is_there(page: Path, name: str) -> None:
    folders = ("otel_genai_cost", "instrumentors", "exporters", "tests", "examples", "monitoring")
    paths = [path for folder in folders for path in (ROOT / folder).rglob(name.rpartition("/")[2])]
    assert [path for path in paths if path.as_posix().endswith(f"/{name}")]


def _links() -> list[tuple[Path, str]]:
    pages = [*PAGES_WITH_EXAMPLES, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return [
        (page, target)
        for page in sorted(set(pages))
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize(("page", "target"), _links(), ids=lambda value: str(value)[-40:])
def test_link_leads_somewhere(page: Path, target: str) -> None:
    assert (page.parent / target).exists()


def _examples(language: str) -> list[str]:
    return [
        block
        for page in PAGES_WITH_EXAMPLES
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        if "from shop." not in block  # a team's own code: tests/testing runs these with one
        and not (language == "python" and page.name == "gate.md")  # tests/gated runs these with one
    ]


@pytest.mark.parametrize("source", _examples("python"), ids=lambda source: source[:30])
def test_python_example_runs(source: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": "any"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _console_examples() -> list[tuple[str, str]]:
    """Commands and the output shown under them, of every ```console block that starts with `$ genai-cost`."""
    found: list[tuple[str, str]] = []
    for block in _examples("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, shown = part.partition("\n")
            if command.startswith(("genai-cost price ", "genai-cost compare ")):
                found.append((command, shown.strip()))
    return found


@pytest.mark.parametrize(("command", "shown"), _console_examples())
def test_console_example_prints_what_is_shown(command: str, shown: str) -> None:
    program = Path(sys.executable).with_name("genai-cost")
    done = subprocess.run(
        [str(program), *shlex.split(command)[1:]],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.strip().splitlines()] == [
        line.split() for line in shown.splitlines()
    ]
