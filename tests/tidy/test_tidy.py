"""Rules about the text of the project itself that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("otel_genai_cost", "instrumentors", "exporters")
EXACT: Final = (
    "otel_genai_cost/usage",
    "otel_genai_cost/pricing/money.py",
    "otel_genai_cost/pricing/cost.py",
    "otel_genai_cost/pricing/rate.py",
    "otel_genai_cost/journal/observation.py",
    "otel_genai_cost/ledger/entry.py",
    "otel_genai_cost/ledger/settlement",
    "otel_genai_cost/ledger/posting/position.py",
    "otel_genai_cost/ledger/posting/post.py",
    "otel_genai_cost/ledger/contracts/contract.py",
    "otel_genai_cost/ledger/rerating/rerate.py",
)
"""Where money and quantities are computed: no float may stand there, not even by mistake."""


_POSITIONAL_MAX: Final = 6


def _sources(*places: str) -> Iterator[Path]:
    for place in places:
        path = ROOT / place
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def _nodes(*places: str) -> Iterator[tuple[str, ast.AST]]:
    for path in _sources(*places):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            yield str(path.relative_to(ROOT)), node


@cache
def _handlers_and_calls() -> tuple[tuple[str, ast.AST], ...]:
    """Except handlers, fences and calls with many arguments by place, which three rules are about: to read every file
    takes seconds, and whole trees a hundred megabytes."""
    return tuple(
        (place, node)
        for place, node in _nodes(*PACKAGES)
        if isinstance(node, ast.ExceptHandler)
        or (isinstance(node, ast.Call) and (_is_fence(node) or len(node.args) > _POSITIONAL_MAX))
    )


def _is_fence(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in ("guarded", "fence")


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Whether it catches anything and lets it go. BaseException may be re-raised, or passed on by its name."""
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    caught = ast.walk(handler.type) if handler.type else iter(())
    names = {node.id for node in caught if isinstance(node, ast.Name)}
    if handler.type is None or "BaseException" in names:
        reraised = any(isinstance(node, ast.Raise) and node.exc is None for node in inside)
        passed_on = any(isinstance(node, ast.Name) and node.id == handler.name for node in inside)
        return not (reraised or passed_on)
    return "Exception" in names


def test_broad_except_stands_only_in_guarded() -> None:
    places = [
        place
        for place, node in _handlers_and_calls()
        if isinstance(node, ast.ExceptHandler) and _is_broad(node)
    ]
    assert places == ["otel_genai_cost/errors.py"], "errors.guarded() is the only one"


FENCED: Final = {
    "activation.attach",
    "activation.pre_instrument",
    "instrumentor.part",
    "instrumentor.body",
    "instrumentor.read",
    "instrumentor.retry",
    "instrumentor.exit",
    "instrumentor.prepare",
    "instrumentor.server",
    "processor.on_ending",
    "processor.on_start",
    "sampler",
    "tenancy.edge",
}
"""Where foreign code calls us: none of these may lose its fence."""


def test_every_entry_from_foreign_code_is_fenced() -> None:
    found = {
        argument.value
        for _, node in _handlers_and_calls()
        if isinstance(node, ast.Call) and _is_fence(node)
        for argument in node.args[:1]
        if isinstance(argument, ast.Constant)
    }
    assert found >= FENCED


def test_environment_is_read_in_one_file_and_at_the_switch() -> None:
    reading = re.compile(r"os\.environ|getenv")
    places = {
        str(path.relative_to(ROOT))
        for path in _sources(*PACKAGES)
        if reading.search(path.read_text("utf-8"))
    }
    assert places == {"otel_genai_cost/settings.py", "otel_genai_cost/switch.py"}


def test_no_float_where_money_is_computed() -> None:
    floats = [
        f"{place}:{node.lineno}"
        for place, node in _nodes(*EXACT)
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))
    ]
    assert floats == []


@pytest.mark.parametrize("name", ["utils", "helpers", "manager"])
def test_no_file_is_named_after_nothing(name: str) -> None:
    assert [path for path in _sources(*PACKAGES) if name in path.stem.split("_")] == []


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout: the project's own files cannot be told from others")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and path != Path(__file__)]


def test_text_speaks_of_the_project_alone() -> None:
    forbidden = re.compile(rb"/root/|/work/|/home/\w|pypi\.org|npmjs|registry\.")
    found = [
        str(path.relative_to(ROOT)) for path in _tracked() if forbidden.search(path.read_bytes())
    ]
    assert found == []


def _constructed(node: ast.AST) -> str | None:
    """The class that a call makes something of, going by its name."""
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name if name.lstrip("_")[:1].isupper() else None


def test_many_fields_are_passed_by_name() -> None:
    places = [
        f"{place}:{node.lineno}"
        for place, node in _handlers_and_calls()
        if isinstance(node, ast.Call) and _constructed(node) and len(node.args) > _POSITIONAL_MAX
    ]
    assert not places, f"more than {_POSITIONAL_MAX} fields are passed by keyword"
