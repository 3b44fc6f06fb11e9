"""Statements as files: one form each, and a name."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.plug_ins import plug_in
from otel_genai_cost.statements.exports.delimited import lines_csv
from otel_genai_cost.statements.exports.focus_columns import Version, columns_of
from otel_genai_cost.statements.exports.focus_files import SQL_TYPES, focus_csv, focus_records
from otel_genai_cost.statements.exports.focus_rows import Daily, Row, focus_rows
from otel_genai_cost.statements.exports.issuer import NOBODY, Issuer
from otel_genai_cost.statements.exports.letter import Letter, letter_of
from otel_genai_cost.statements.exports.pdf import letter_pdf
from otel_genai_cost.statements.exports.web_page import letter_html
from otel_genai_cost.statements.statement import Statement

__all__ = ["FORMATS", "SINGLE", "SUFFIXES", "Format", "Surroundings", "exported", "name_of"]

Format: TypeAlias = Literal["json", "csv", "focus-csv", "focus-parquet", "html", "pdf"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
SINGLE: Final[frozenset[Format]] = frozenset(("html", "pdf"))
"""Forms of which one file has one statement."""

SUFFIXES: Final[Mapping[Format, str]] = {
    "json": ".json",
    "csv": ".csv",
    "focus-csv": ".focus.csv",
    "focus-parquet": ".focus.parquet",
    "html": ".html",
    "pdf": ".pdf",
}


class Surroundings(NamedTuple):
    """What a file needs beside its statements.

    Attributes:
        issuer: who issues them.
        directory: who the tenants are, for their names.
        version: of FOCUS.
        daily: what was used by day, by digest; for FOCUS.
    """

    issuer: Issuer = NOBODY
    directory: Directory = Directory((), {})
    version: Version = "1.2"
    daily: Mapping[str, Daily] = {}


def name_of(one: Statement, directory: Directory) -> str | None:
    """What a tenant is called in the registry at the end of a period; None if it is not said.

    Args:
        one: a statement of it.
        directory: who the tenants are.
    """
    piece = directory.at(one.tenant, one.period_to_us - 1)
    return None if piece is None else piece.row.words.get("name")


def exported(statements: Sequence[Statement], form: Format, around: Surroundings) -> bytes:
    """The content of a file, the same each time.

    Args:
        statements: what is in it; one, for the forms of `SINGLE`.
        form: which, but for JSON, which the command prints as `show` does.
        around: what else it needs.

    Raises:
        MissingExtraError: without the library that the form needs.
        OSError: if no room for it is left on the disk.
    """
    if form == "csv":
        return lines_csv(statements).encode()
    if form == "focus-csv":
        return focus_csv(_rows(statements, around), around.version).encode()
    if form == "focus-parquet":
        return _parquet(_rows(statements, around), around.version)
    (one,) = statements
    letter = _letter(one, around)
    return letter_html(letter).encode() if form == "html" else letter_pdf(letter)


def _letter(one: Statement, around: Surroundings) -> Letter:
    return letter_of(one, around.issuer, name_of(one, around.directory))


def _rows(statements: Sequence[Statement], around: Surroundings) -> list[Row]:
    return [
        row
        for one in statements
        for row in focus_rows(
            one, around.daily.get(one.digest, {}), around.issuer, name_of(one, around.directory)
        )
    ]


def _parquet(rows: Sequence[Row], version: Version) -> bytes:
    write: Any = plug_in("otel_genai_cost.tables", "parquet", "writer of tables")
    types = {column.name: SQL_TYPES[column.kind] for column in columns_of(version)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.parquet"
        write(focus_records(rows, version), types, path)
        return path.read_bytes()
