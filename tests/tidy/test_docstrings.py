"""Public functions and classes say what their parameters mean, and which of our errors they raise."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost import errors

_ROOT: Final = Path(__file__).resolve().parents[2]
_SOURCES: Final = ("otel_genai_cost", "instrumentors", "exporters")
_FROM: Final = 3
"""Fewer parameters are named by the sentence."""

_FRAMEWORKS: Final = frozenset(
    {
        "RecordGenAISampler.should_sample",
        "GenAICostPropagator.extract",
        "GenAICostPropagator.inject",
    }
)
"""Overrides of another library's protocol, which documents them."""

_OWN_ERRORS: Final = frozenset(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.GenAICostError)
)
_SECTION: Final = r"^{}:\n((?:    .*(?:\n|\Z)|\n)+)"
_ITEM: Final = re.compile(r"^    (\w+(?:, \w+)*): \S", re.MULTILINE)
_IN_PROSE: Final = re.compile(r"\b(?:Raises|May raise) [A-Z]\w+")
"""What belongs into a section."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _public(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Function]]:
    """Functions of a module and methods of its public classes; not those inside of functions."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.name.startswith("_") and owner + node.name not in _FRAMEWORKS:
                yield owner + node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body, f"{node.name}.")
            yield from _constructor(node)


def _constructor(node: ast.ClassDef) -> Iterator[tuple[str, Function]]:
    """What makes an object of a class, with the docstring of that."""
    for one in node.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            one.body[:0] = [node.body[0]] if ast.get_docstring(node) else []
            yield node.name, one


def _parameters(node: Function) -> list[str]:
    """Those that a caller has to understand: not self, nor what a function only has to take."""
    every = node.args
    named = [*every.posonlyargs, *every.args, *every.kwonlyargs, every.vararg, every.kwarg]
    names = [one.arg for one in named if one is not None]
    return [name for name in names if name not in ("self", "cls") and not name.startswith("_")]


def _named_in(section: str, text: str) -> set[str]:
    found = re.search(_SECTION.format(section), text, re.MULTILINE)
    items: list[str] = _ITEM.findall(found[1]) if found else []
    return {name for item in items for name in item.split(", ")}


def _raised(node: ast.AST) -> Iterator[str]:
    """The errors that a body raises itself, under their names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(child, ast.Raise) and child.exc is not None:
            made = child.exc.func if isinstance(child.exc, ast.Call) else child.exc
            yield made.id if isinstance(made, ast.Name) else ""
        yield from _raised(child)


def _lacks(node: Function) -> Iterator[str]:
    """What the docstring of a function leaves out."""
    text = ast.get_docstring(node) or ""
    parameters = _parameters(node)
    if len(parameters) >= _FROM:
        named = _named_in("Args", text)
        yield from (f"Args: {name}" for name in parameters if name not in named)
    if _IN_PROSE.search(text):
        yield "Raises: as a section"
    errors_named = _named_in("Raises", text)
    yield from (
        f"Raises: {name}" for name in sorted(_OWN_ERRORS & set(_raised(node)) - errors_named)
    )


def test_public_functions_say_what_they_take_and_raise() -> None:
    found = [
        f"{path.relative_to(_ROOT)}:{node.lineno} {name} lacks {what}"
        for source in _SOURCES
        for path in sorted((_ROOT / source).rglob("*.py"))
        for name, node in _public(ast.parse(path.read_text("utf-8")).body)
        for what in _lacks(node)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "missing"),
    [
        ("def f(a, b): ...", []),
        ("def f(a, b, _): ...", []),
        ("def f(a, *b, c): ...", ["Args: a", "Args: c", "Args: b"]),
        (
            'def f(a, b, c):\n    """F.\n\n    Args:\n        a: one.\n        b: two."""',
            ["Args: c"],
        ),
        (
            'def f():\n    """F.\n\n    Raises:\n        LedgerError: if."""\n    raise LedgerError()',
            [],
        ),
        ("class C:\n    def __init__(self, a, b, c): ...", ["Args: a", "Args: b", "Args: c"]),
        (
            'class C:\n    """C.\n\n    Args:\n        a: 1."""\n    def __init__(self, a, b, _): ...',
            [],
        ),
        ('def f():\n    """F. Raises OSError."""', ["Raises: as a section"]),
        ("def f():\n    if 1:\n        raise LedgerError from None", ["Raises: LedgerError"]),
        ("def f():\n    def g():\n        raise LedgerError\n    raise ValueError", []),
    ],
)
def test_what_is_left_out_is_found(source: str, missing: list[str]) -> None:
    ((_, node),) = _public(ast.parse(source).body)
    assert list(_lacks(node)) == missing
