"""Who issues statements, as it stands on them: `issuer.toml`. Every problem of it in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError, IssuerError, Problem
from otel_genai_cost.limits.currency import CURRENCIES
from otel_genai_cost.pricing.shapes import TEXT, Layout, Shape
from otel_genai_cost.pricing.toml_text import tables_of, text_of

__all__ = ["NOBODY", "Issuer", "issuer_of"]

_LINES_MAX: Final = 8
_LINE_MAX: Final = 200
_NOTE_MAX: Final = 1_000
_COLOUR: Final = re.compile("#[0-9a-fA-F]{6}")


class Issuer(NamedTuple):
    """Who issues a statement, and how it looks.

    Attributes:
        name: of the company; it stands at the head, and in FOCUS as provider and issuer.
        lines: below the name: address, tax numbers.
        contact: whom to ask.
        title: what the document is called.
        note: at the foot of each, such as how it is paid.
        accent: `#rrggbb`, of rules and headings.
        service: what is sold, for FOCUS.
        currency: what credits are bought with, for FOCUS: an ISO 4217 code.
        fonts: a folder of fonts for PDF, for names in scripts that the built-in fonts lack.
    """

    name: str = "Example Inc."
    lines: tuple[str, ...] = ()
    contact: str = ""
    title: str = "Statement"
    note: str = ""
    accent: str = "#2f6f8f"
    service: str = "Generative AI"
    currency: str = "USD"
    fonts: Path | None = None


NOBODY: Final = Issuer(name="")
"""Where no issuer is written: the statement has no letterhead."""


def _is_lines(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(cast("list[object]", value)) <= _LINES_MAX
        and all(
            isinstance(line, str) and len(line) <= _LINE_MAX for line in cast("list[object]", value)
        )
    )


def _is_note(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _NOTE_MAX


def _is_colour(value: object) -> bool:
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def _is_national(value: object) -> bool:
    return isinstance(value, str) and value in CURRENCIES


_LAYOUT: Final = Layout(
    "issuer",
    {"name": TEXT},
    {
        "lines": Shape(
            _is_lines, f"write a list of at most {_LINES_MAX} lines of {_LINE_MAX} characters"
        ),
        "contact": TEXT,
        "title": TEXT,
        "note": Shape(_is_note, f"write a string of at most {_NOTE_MAX} characters"),
        "accent": Shape(_is_colour, 'write a colour, "#2f6f8f"'),
        "service": TEXT,
        "currency": Shape(_is_national, 'write an ISO 4217 code, "USD"'),
        "fonts": Shape(_is_note, "write the folder that has the fonts"),
    },
)


def issuer_of(path: Path) -> Issuer:
    """The issuer of a file.

    Args:
        path: of TOML; a folder of fonts is relative to it.

    Raises:
        ConfigurationError: if it cannot be read.
        IssuerError: with every problem, if it is broken.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            "the issuer cannot be read",
            value=str(path),
            where=str(error.strerror),
            remedy="name a TOML file, as docs/statements.md describes it",
        ) from None
    tables = _tables(str(path), content)
    problems = [Problem(str(path), 0, *defect) for defect in _defects(path, tables)]
    if problems:
        raise IssuerError(tuple(problems))
    fonts = tables.pop("fonts", None)
    lines = tuple(tables.pop("lines", ()))
    return Issuer(**tables, lines=lines, fonts=None if fonts is None else path.parent / fonts)


def _tables(file: str, content: bytes) -> dict[str, Any]:
    """What the file says, as far as it is TOML."""
    found = text_of(content, file)
    tables = found if isinstance(found, Problem) else tables_of(found, file)
    if isinstance(tables, Problem):
        raise IssuerError((tables,))
    return tables


def _defects(path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _LAYOUT.defects(tables)
    fonts = tables.get("fonts")
    if isinstance(fonts, str) and not (path.parent / fonts).is_dir():
        yield f"fonts is {fonts[:80]!r}, which is no folder", "name a folder beside this file"
