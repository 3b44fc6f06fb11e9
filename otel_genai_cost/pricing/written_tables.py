"""A TOML file of one kind of `[[table]]`, as a person or an export writes it: budgets, grants,
channels, plans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import (
    BudgetsError,
    ChannelsError,
    ConfigurationError,
    FormatTooNewError,
    GrantsError,
    PlansError,
    Problem,
)
from otel_genai_cost.pricing.toml_text import (
    is_list_of_tables,
    lines_of_tables,
    tables_of,
    text_of,
)

__all__ = ["WrittenTables", "written_tables"]

_LIMIT_BYTES: Final = 32 * 1024 * 1024

_Broken = type[BudgetsError] | type[ChannelsError] | type[GrantsError] | type[PlansError]


class WrittenTables(NamedTuple):
    """The fields of each entry, and on which line it stands; no lines where that is not known."""

    entries: Sequence[Mapping[str, Any]]
    lines: Sequence[int] = ()


def written_tables(
    path: Path, table: str, broken: _Broken, schema: str | None = None
) -> WrittenTables:
    """The entries of a file, as they were written.

    Args:
        path: the file.
        table: what its `[[table]]` is called.
        broken: what is raised if it is something else.
        schema: what it says first, such as `otel-genai-cost-budgets/1`; None where nothing need be said.

    Raises:
        ConfigurationError: if it cannot be read.
        BudgetsError, ChannelsError, GrantsError, PlansError: as `broken` says, if it is no file of such tables.
        FormatTooNewError: if it is written for a newer version.
    """
    text = _text(path, table, broken)
    tables = tables_of(text, str(path))
    if isinstance(tables, Problem):
        raise broken((tables,))
    if schema is not None:
        _check_schema(tables.pop("schema", None), schema, path, broken)
    entries = tables.pop(table, None)
    if tables or not entries or not is_list_of_tables(entries):
        found = ", ".join(sorted(tables)[:5]) or f"no {table}"
        raise broken((Problem(str(path), 0, f"it has {found}", f"write [[{table}]] tables, only"),))
    lines = lines_of_tables(text).get(table, ())
    return WrittenTables(entries, lines if len(lines) == len(entries) else ())


def _text(path: Path, table: str, broken: _Broken) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the {table}s",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists",
        ) from None
    if len(content) > _LIMIT_BYTES:
        raise broken((Problem(str(path), 0, f"larger than {_LIMIT_BYTES:,} bytes", "split it"),))
    text = text_of(content, str(path))
    if isinstance(text, Problem):
        raise broken((text,))
    return text


def _check_schema(found: object, schema: str, path: Path, broken: _Broken) -> None:
    """Raise where a file does not say that it is of this kind."""
    if found == schema:
        return
    if isinstance(found, str) and found.startswith(schema.rpartition("/")[0]):
        raise FormatTooNewError(f"file {path}", found, schema)
    what, remedy = f"schema is {found!r}", f'write schema = "{schema}" first'
    raise broken((Problem(str(path), 1, what, remedy),))
