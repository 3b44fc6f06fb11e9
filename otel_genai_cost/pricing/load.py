"""Reading price books: the lock in the wheel, a lock file, a TOML file or a folder of them.

How the wheel's lock is made: `importers/`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, PriceBookError, Problem
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.document import KINDS, SCHEMA, Document, canonical, price_id

__all__ = [
    "DATA",
    "FILE_LIMIT_BYTES",
    "WHEEL_LOCK",
    "canonical",
    "complete",
    "load_book",
    "lock_of",
    "parse_lock",
    "price_id",
    "read_lock",
    "read_sources",
]

if TYPE_CHECKING:
    from otel_genai_cost.pricing.check import Places

DATA: Final = Path(__file__).parent / "data"
WHEEL_LOCK: Final = DATA / "book.json"
FILE_LIMIT_BYTES: Final = 32 * 1024 * 1024
_OPTIONAL: Final = ("aliases", "calendars")
"""Kinds of entries that an older book does not have."""


def load_book(path: Path | None = None) -> Book:
    """Load a price book.

    Args:
        path: a `.json` lock, a `.toml` source or a folder of those; default: the wheel's.

    Raises:
        ConfigurationError: if there is no such file.
        PriceBookError: with every problem, if it is broken.
    """
    if path is None:
        return _of_canonical(WHEEL_LOCK.read_bytes())
    try:
        if not path.is_file() and not path.is_dir():  # a pipe or a device would never end
            raise FileNotFoundError(f"no such file or folder: {path}")
        if path.suffix == ".json":
            return read_lock(_read(path), str(path))
        lock = lock_of(path)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the price book",
            value=str(path),
            where=str(error),
            remedy="name a file that exists",
        ) from None
    return _of_canonical(lock)


def _of_canonical(lock: bytes) -> Book:
    """The book of a lock that this library made and checked."""
    return Book(Document.of_lock(lock), lock, sha256(lock).hexdigest())


def read_lock(lock: bytes, file: str = "price book") -> Book:
    """The book of a lock, fully checked.

    Args:
        lock: canonical JSON.
        file: its name, for errors.

    Raises:
        PriceBookError: with every problem.
    """
    from otel_genai_cost.pricing.check import check

    tables = parse_lock(lock, file)
    places = {id(entry): (file, 0) for kind in KINDS for entry in tables[kind]}
    if problems := tuple(check(tables, places)):
        raise PriceBookError(problems)
    return Book(Document.of(tables), lock, sha256(lock).hexdigest())


def _read(path: Path) -> bytes:
    """The file's bytes, never more than the limit."""
    with path.open("rb") as file:
        content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        problem = Problem(
            str(path), 0, f"larger than {FILE_LIMIT_BYTES:,} bytes", "split it by provider"
        )
        raise PriceBookError((problem,))
    return content


def parse_lock(lock: bytes, file: str = "price book") -> dict[str, Any]:
    """The lists of entries in a lock, of every kind; the entries themselves are not checked.

    Args:
        lock: canonical JSON, as `lock_of` makes it.
        file: its name, for problems.

    Raises:
        PriceBookError: if it is no lock.
        FormatTooNewError: if a newer version wrote it.
    """
    try:
        parsed: object = json.loads(lock, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise PriceBookError((Problem(file, 0, f"not JSON: {error}", "build it again"),)) from None
    if not isinstance(parsed, dict):
        raise PriceBookError((Problem(file, 0, "not a JSON object", "build it again"),))
    document = cast("dict[str, Any]", parsed)
    schema = document.get("schema")
    if schema != SCHEMA:
        if isinstance(schema, str) and schema.startswith("otel-genai-cost/"):
            raise FormatTooNewError(f"price book {file}", schema, SCHEMA)
        raise PriceBookError((Problem(file, 0, f"schema is {schema!r}", f"must be {SCHEMA!r}"),))
    tables = {kind: document.get(kind, [] if kind in _OPTIONAL else None) for kind in KINDS}
    if not all(map(_is_table, tables.values())):
        raise PriceBookError(
            (Problem(file, 0, f"needs lists {', '.join(KINDS)}", "build it again"),)
        )
    return tables


def _is_table(entries: object) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, dict) for entry in cast("list[object]", entries)
    )


def lock_of(path: Path) -> bytes:
    """The canonical JSON of a TOML file or of a folder's TOML files; the order of rows does not matter.

    Args:
        path: the file or folder.

    Raises:
        PriceBookError: with every problem of every file.
    """
    from otel_genai_cost.pricing.check import check

    tables, places, problems = read_sources(_files(path))
    problems += check(tables, places)
    if problems:
        raise PriceBookError(tuple(problems))
    return canonical(tables)


def read_sources(files: Iterable[Path]) -> tuple[dict[str, Any], Places, list[Problem]]:
    """The entries of TOML files, where each stands, and what could not be read; not yet checked."""
    from otel_genai_cost.pricing.source import read_toml

    tables: dict[str, Any] = {kind: [] for kind in KINDS}
    places: Places = {}
    problems: list[Problem] = []
    for file in files:
        try:
            problems += read_toml(str(file), _read(file), tables, places)
        except PriceBookError as error:
            problems += error.problems
    complete(tables)
    return tables, places, problems


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(filter(Path.is_file, path.glob("*.toml")))
    if not files:
        raise FileNotFoundError(f"no .toml file in {path}")
    return files


def complete(document: dict[str, Any]) -> None:
    """Give every price row its provider (`model = "openai/gpt-4o"`), currency and id."""
    for row in document["prices"]:
        provider, slash, name = str(row.get("model")).partition("/")
        if slash:
            row["provider"], row["model"] = provider, name
        row.setdefault("currency", "USD")
        row.setdefault("id", price_id(row))
