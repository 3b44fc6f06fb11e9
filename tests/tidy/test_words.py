"""Names in the code are terms of the glossary or ordinary programming words, not those that only insiders knew."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

_ROOT: Final = Path(__file__).resolve().parents[2]
_GLOSSARY: Final = _ROOT / "docs" / "glossary.md"
_SOURCES: Final = ("otel_genai_cost", "instrumentors", "exporters")

_INSTEAD: Final = {
    "alike": "say what is equal: same_conditions, same_scope",
    "familiar": "call profile",
    "kin": "same_trace, or what the relation is",
    "neighbour": "candidate",
    "neighbours": "candidates",
    "plain": "per_use, single, or what it is without",
    "soundness": "validate",
    "tell": "say, note, write_error, report",
    "teller": "reporter",
    "tells": "says, has, names",
    "told": "what it is: formatted, reported, seen, named, value",
    "unlike": "disputed, or what differs",
    "vector": "rate_card",
}
"""A word that may be no part of a name, and what to write."""

_PHRASES: Final = {"in_force": "prices_at, active_terms"}
_CLASSES: Final = {"Kind": "the kind of what: LineKind, PatchKind"}

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _remedies(name: str) -> Iterator[str]:
    words = _words(name)
    yield from (f"not {word}: {_INSTEAD[word]}" for word in words if word in _INSTEAD)
    joined = f"_{'_'.join(words)}_"
    yield from (f"not {one}: {_PHRASES[one]}" for one in _PHRASES if f"_{one}_" in joined)
    if name.strip("_") in _CLASSES:
        yield f"not {name}: {_CLASSES[name.strip('_')]}"


def _given(node: ast.AST) -> Iterator[str]:
    """The names that a node gives to something."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr


def _files() -> list[Path]:
    return [path for source in _SOURCES for path in sorted((_ROOT / source).rglob("*.py"))]


def test_names_are_terms_or_ordinary_words() -> None:
    found = [
        f"{path.relative_to(_ROOT)}: {name}: {remedy}"
        for path in _files()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _given(node)
        for remedy in _remedies(name)
    ]
    assert found == []


def test_files_are_named_likewise() -> None:
    found = [
        f"{path.relative_to(_ROOT)}: {remedy}"
        for path in _files()
        for remedy in _remedies(path.stem)
    ]
    assert found == []


@pytest.mark.parametrize(
    "name", ["_told", "toldIn", "told_in", "rates_in_force", "Neighbours", "_TOLD_MAX", "Kind"]
)
def test_what_is_refused_is_found(name: str) -> None:
    assert list(_remedies(name))


@pytest.mark.parametrize("name", ["explain", "is_kind", "akin", "LineKind", "reinforce", "stellar"])
def test_words_that_only_look_like_them_are_not(name: str) -> None:
    assert list(_remedies(name)) == []


def _terms() -> list[str]:
    rows = re.findall(r"^\| (?!term|---)([^|]+) \|", _GLOSSARY.read_text("utf-8"), re.MULTILINE)
    return [term.strip() for term in rows]


def test_the_glossary_is_in_order_and_uses_none_of_them() -> None:
    terms = _terms()
    assert len(terms) >= 30
    assert terms == sorted(terms)
    assert [term for term in terms for word in _words(term) if word in _INSTEAD] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/ARCHITECTURE.md"])
def test_newcomers_are_led_to_it(page: str) -> None:
    assert "glossary.md" in (_ROOT / page).read_text("utf-8")


def test_every_room_says_what_it_makes() -> None:
    """From what and for whom stands there too; a person sees to that."""
    silent = [
        str(path.relative_to(_ROOT))
        for source in _SOURCES
        for path in sorted((_ROOT / source).rglob("__init__.py"))
        if len(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "") < 40
    ]
    assert silent == []
