"""Adding rows to a registry in TOML: at its end, so that what a person wrote there stays as it is."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.check import rows_of
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.file import written_in
from otel_genai_cost.ledger.tenants.row import WORDS, TenantRow
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money

__all__ = ["append_rows", "locked", "rows_in"]

_KIND: Final = ".toml"


@contextmanager
def locked(path: Path) -> Generator[None, None, None]:
    """Keep everybody else from adding rows to a registry meanwhile. Its folder is made if it is not there.

    Args:
        path: the registry's file.

    Raises:
        ConfigurationError: if it is none to which rows can be added.
        OSError: if its folder cannot be made or read.
    """
    if path.suffix != _KIND:
        raise ConfigurationError(
            "rows are added only to a registry in TOML",
            value=str(path),
            remedy="change it where it comes from, or name a .toml file in OTEL_GENAI_COST_TENANTS",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def rows_in(path: Path) -> list[TenantRow]:
    """The rows of a registry's file; none if it is not there yet.

    Raises:
        ConfigurationError: if it cannot be read.
        TenantsError: with every problem, if it is broken.
    """
    return rows_of(written_in(path)) if path.exists() else []


def append_rows(path: Path, known: Sequence[TenantRow], rows: Iterable[TenantRow]) -> int:
    """Add those rows that are not there yet, all or none. A crash leaves the file as it was.

    Args:
        path: the registry's file, locked by the caller.
        known: the rows that are in it.
        rows: to be added.

    Returns:
        How many were added.

    Raises:
        TenantsError: with every problem, if the rows contradict each other or those that are there.
        OSError: if the file cannot be written.
    """
    facts = [row.facts for row in known]
    fresh = [row for row in rows if row.facts not in facts]
    directory_of([*known, *fresh])
    if fresh:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        text = f"{text.rstrip()}\n\n" if text.strip() else ""
        _replace(path, text + "\n".join(map(_table, fresh)))
    return len(fresh)


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.new")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        aside.chmod(path.stat().st_mode & 0o777)
    aside.replace(path)


def _table(row: TenantRow) -> str:
    """A row as a person would write it."""
    values = {word: _string(row.words[word]) for word in WORDS if word in row.words}
    values |= {"parent": _string(row.parent)} if row.parent else {}
    values |= {"aliases": f"[{', '.join(map(_string, row.aliases))}]"} if row.aliases else {}
    values |= {"merged_into": _string(row.merged_into)} if row.merged_into else {}
    if row.revenue is not None:
        amount = f"{format_money(row.revenue.amount)} {row.revenue.currency}"
        values["revenue"] = _string(amount)
    end = {} if row.to_us is None else {"to": rfc3339(row.to_us)}
    head = {"tenant": _string(row.tenant), "from": rfc3339(row.from_us), **end}
    lines = [f"{key} = {value}\n" for key, value in (head | values).items()]
    return "[[tenant]]\n" + "".join(lines)


def _string(text: str) -> str:
    """Strings of JSON are strings of TOML, but for the one control character that only TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
