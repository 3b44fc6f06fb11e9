"""Reading price books: the lock in the wheel, a lock file, a TOML file or a folder of them.

`python -m otel_genai_cost.pricing.load` writes the wheel's lock, `data/book.json`, from the TOML beside it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, PriceBookError, Problem
from otel_genai_cost.pricing.book import Book

__all__ = ["DATA", "WHEEL_LOCK", "load_book", "lock_of", "read_lock"]

DATA: Final = Path(__file__).parent / "data"
WHEEL_LOCK: Final = DATA / "book.json"
_KINDS: Final = ("models", "prices", "providers", "sources")
_SCHEMA: Final = "otel-genai-cost/1"


def load_book(path: Path | None = None) -> Book:
    """The book at `path`: a `.json` lock, a `.toml` source or a folder of those; without one the wheel's.

    Raises ConfigurationError if there is no such file, PriceBookError with every problem if it is broken.
    """
    if path is None:
        lock = WHEEL_LOCK.read_bytes()
        return Book(json.loads(lock), lock, sha256(lock).hexdigest())
    try:
        if path.suffix == ".json":
            return read_lock(path.read_bytes(), str(path))
        return read_lock(lock_of(path), str(path))
    except OSError as error:
        raise ConfigurationError(
            "cannot read the price book",
            value=str(path),
            where=str(error),
            remedy="name a file that exists",
        ) from None


def read_lock(lock: bytes, file: str = "price book") -> Book:
    """The book of a lock, fully checked."""
    from otel_genai_cost.pricing.check import check

    document = _parse(lock, file)
    places = {id(entry): (file, 0) for kind in _KINDS for entry in document[kind]}
    if problems := tuple(check(document, places)):
        raise PriceBookError(problems)
    return Book(document, lock, sha256(lock).hexdigest())


def _parse(lock: bytes, file: str) -> dict[str, Any]:
    try:
        parsed: object = json.loads(lock, parse_float=str)
    except (ValueError, RecursionError) as error:
        raise PriceBookError((Problem(file, 0, f"not JSON: {error}", "build it again"),)) from None
    if not isinstance(parsed, dict):
        raise PriceBookError((Problem(file, 0, "not a JSON object", "build it again"),))
    document = cast("dict[str, Any]", parsed)
    schema = document.get("schema")
    if schema != _SCHEMA:
        if isinstance(schema, str) and schema.startswith("otel-genai-cost/"):
            raise FormatTooNewError(f"price book {file}", schema, _SCHEMA)
        raise PriceBookError((Problem(file, 0, f"schema is {schema!r}", f"must be {_SCHEMA!r}"),))
    if not all(_is_table(document.get(kind)) for kind in _KINDS):
        raise PriceBookError(
            (Problem(file, 0, f"needs lists {', '.join(_KINDS)}", "build it again"),)
        )
    return document


def _is_table(entries: object) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, dict) for entry in cast("list[object]", entries)
    )


def lock_of(path: Path) -> bytes:
    """The canonical JSON of a TOML file or of a folder's TOML files; the order of rows does not matter.

    Raises PriceBookError with every problem of every file.
    """
    from otel_genai_cost.pricing.check import check
    from otel_genai_cost.pricing.source import Places, read_toml

    document: dict[str, Any] = {kind: [] for kind in _KINDS}
    places: Places = {}
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    problems = [problem for file in files for problem in read_toml(file, document, places)]
    _complete(document)
    problems += check(document, places)
    if problems:
        raise PriceBookError(tuple(problems))
    return canonical(document)


def _complete(document: dict[str, Any]) -> None:
    """Give every price row its provider (`model = "openai/gpt-4o"`), currency and id."""
    for row in document["prices"]:
        provider, slash, name = str(row.get("model")).partition("/")
        if slash:
            row["provider"], row["model"] = provider, name
        row.setdefault("currency", "USD")
        row.setdefault("id", price_id(row))


def price_id(row: dict[str, Any]) -> str:
    """`provider/model@from#conditions`, and `~recorded` for a correction: unique, and readable on a receipt."""
    when = row.get("when", {})
    marks = ["batch" if key == "batch" else f"{key}={when[key]}" for key in sorted(when)]
    base = f"{row.get('provider')}/{row.get('model')}@{row.get('from')}"
    correction = f"~{row.get('recorded_at')}" if row.get("supersedes") else ""
    return base + "".join(f"#{mark}" for mark in marks) + correction


def canonical(document: dict[str, Any]) -> bytes:
    """Sorted keys and rows, no spaces, one row a line so that differences can be read."""
    lines = [
        f'"{kind}":[\n'
        + ",\n".join(
            sorted(json.dumps(row, sort_keys=True, separators=(",", ":")) for row in document[kind])
        )
        + "\n]"
        for kind in _KINDS
    ]
    return ("{" + ",\n".join([*lines, f'"schema":"{_SCHEMA}"']) + "}\n").encode()


if __name__ == "__main__":
    WHEEL_LOCK.write_bytes(lock_of(DATA))
