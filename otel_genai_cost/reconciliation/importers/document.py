"""A file of a bill, read whole: JSON, JSON Lines, CSV or Parquet, plain or gzip; every row with the line it stands in.

No number of it ever is a float: JSON's are read as decimals. A file that ends before it should is refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import BillsError, GenAICostError, MissingExtraError, Problem
from otel_genai_cost.plug_ins import plug_in

__all__ = [
    "Document",
    "Row",
    "document_of",
    "list_of",
    "objects_of",
    "part_of",
    "read_document",
]

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_DELIMITERS: Final = ",;\t"
_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\n]')
_AGAIN: Final = "export it again, whole"


class Row(NamedTuple):
    """A row of a file: the line that it begins in, and what it says by the names of the file."""

    line: int
    fields: Mapping[str, Any]


class Document(NamedTuple):
    """A file.

    Attributes:
        name: of the file.
        digest: sha256 of what it holds, unpacked, hexadecimal.
        rows: of a table, or the values of a JSON file.
        columns: of a table; none of a JSON file.
    """

    name: str
    digest: str
    rows: Sequence[Row]
    columns: frozenset[str]


class _Placed(dict[str, Any]):
    """A JSON object that knows in which line it begins."""

    line: int = 0


def read_document(path: Path) -> Document:
    """A file, read and cut into rows.

    Args:
        path: of JSON, JSON Lines, CSV or Parquet, each also as gzip.

    Raises:
        BillsError: if it cannot be read, or is cut off.
        MissingExtraError: for Parquet without duckdb.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise _refused(path, 0, f"cannot be read: {error}", "name a file of the bill") from None
    return document_of(path, data)


def document_of(path: Path, data: bytes) -> Document:
    """What a file holds, cut into rows.

    Args:
        path: of the file, for messages; Parquet is read from there.
        data: what it holds.

    Raises:
        BillsError: if it is cut off, or in no form that is known.
        MissingExtraError: for Parquet without duckdb.
    """
    digest = sha256(data).hexdigest()
    if data.startswith(_PARQUET):
        return _parquet(path, digest)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refused(path, line, "not UTF-8", _AGAIN) from None
    if not text.strip():
        raise _refused(path, 0, "it is empty", _AGAIN)
    if text.lstrip()[0] in "[{":
        return Document(path.name, digest, _json_rows(path, text), frozenset())
    return _csv(path, digest, text)


def list_of(value: Any) -> list[Any]:
    """The items of a list of a JSON file.

    Raises:
        TypeError: if it is none.
    """
    if type(value) is not list:
        raise TypeError("a list is missing")
    return [*value]


def objects_of(fields: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in a list that an object may have; none if it is no list.

    Args:
        fields: of the object.
        name: of the list.
    """
    value = fields.get(name)
    items: list[Any] = list_of(value) if type(value) is list else []
    return [one for one in items if type(one) is _Placed]


def part_of(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within another; an empty one where it is missing or null.

    Args:
        fields: of the object.
        name: of the part.

    Raises:
        TypeError: if it is something else.
    """
    value: Any = fields.get(name)
    if value is None:
        return {}
    if type(value) not in (dict, _Placed):
        raise TypeError(f"{name} is no object")
    return value  # type: ignore[no-any-return]


def _refused(path: Path, line: int, what: str, remedy: str) -> BillsError:
    return BillsError((Problem(str(path), line, what, remedy),))


def _json_rows(path: Path, text: str) -> list[Row]:
    try:
        values = _values(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 0)
        raise _refused(path, line, f"not JSON, or cut off: {error}", _AGAIN) from None
    flat = list[Any]()
    for value in values:
        flat += list_of(value) if isinstance(value, list) else [value]
    rows = list[Row]()
    for one in flat:
        if not isinstance(one, _Placed):
            raise _refused(path, 0, f"not an object: {str(one)[:60]!r}", _AGAIN)
        rows.append(Row(one.line, one))
    return rows


def _values(text: str) -> list[Any]:
    """Of JSON, with decimals for its numbers, and objects that know their line."""
    decoder = _decoder(text)
    found, at = list[Any](), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


def _decoder(text: str) -> json.JSONDecoder:
    """One whose objects know their line: objects are made in the order in which they end, which can be read off."""
    lines = _lines_of_objects(text)

    def placed(pairs: list[tuple[str, Any]]) -> _Placed:
        found = _Placed(pairs)
        found.line = next(lines, 0)
        return found

    return json.JSONDecoder(
        object_pairs_hook=placed, parse_float=Decimal, parse_constant=_no_number
    )


def _lines_of_objects(text: str) -> Iterator[int]:
    """In which line each object begins, in the order in which they end."""
    begun, line = list[int](), 1
    for token in _TOKEN.finditer(text):
        what = token.group()
        if what == "\n":
            line += 1
        elif what == "{":
            begun.append(line)
        elif what == "}" and begun:
            yield begun.pop()


def _no_number(word: str) -> Any:
    raise ValueError(f"no number: {word}")


def _csv(path: Path, digest: str, text: str) -> Document:
    head, _, _ = text.partition("\n")
    delimiter = max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [name.strip() for name in next(reader)]
        rows, problems = list[Row](), list[Problem]()
        for line, cells in _numbered(reader):
            if len(cells) == len(columns):
                rows.append(Row(line, dict(zip(columns, cells, strict=True))))
            elif any(cells):
                what = f"{len(cells)} cells under {len(columns)} columns: cut off?"
                problems.append(Problem(str(path), line, what, _AGAIN))
    except csv.Error as error:
        raise _refused(path, reader.line_num, f"not CSV, or cut off: {error}", _AGAIN) from None
    repeated = {name for name in columns if columns.count(name) > 1}
    if repeated:
        what = f"a column twice: {', '.join(sorted(repeated))}"
        problems.append(Problem(str(path), 1, what, "leave one out"))
    if problems:
        raise BillsError(tuple(problems))
    return Document(path.name, digest, rows, frozenset(columns))


def _numbered(reader: Any) -> Iterator[tuple[int, list[str]]]:
    begins = reader.line_num + 1
    for cells in reader:
        yield begins, cells
        begins = reader.line_num + 1


def _parquet(path: Path, digest: str) -> Document:
    read = plug_in("otel_genai_cost.table_readers", "parquet", "reader of tables")
    try:
        rows = [Row(n, fields) for n, fields in enumerate(read(path), start=1)]
    except MissingExtraError:
        raise
    except GenAICostError as error:
        raise _refused(path, 0, f"not Parquet, or cut off: {error}", _AGAIN) from None
    columns = frozenset(name for row in rows[:1] for name in row.fields)
    return Document(path.name, digest, rows, columns)
