"""A TOML file of `[[table]]`s, as a person or an export writes it: budgets, grants, channels, plans,
meters and destinations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import (
    BillingError,
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

__all__ = ["WrittenTables", "tables_written", "written_tables"]

_LIMIT_BYTES: Final = 32 * 1024 * 1024

_Broken = (
    type[BillingError]
    | type[BudgetsError]
    | type[ChannelsError]
    | type[GrantsError]
    | type[PlansError]
)


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
    return tables_written(path, (table,), broken, schema)[table]


def tables_written(
    path: Path,
    names: Sequence[str],
    broken: _Broken,
    schema: str | None = None,
    *,
    title: str = "",
    remedy: str = "name a file that exists",
) -> dict[str, WrittenTables]:
    """The entries of a file that has several kinds of tables, by kind.

    Args:
        path: the file.
        names: what its `[[table]]`s are called; each of them has to be there.
        broken: what is raised if it is something else.
        schema: what it says first; None where nothing need be said.
        title: what the file is, for the error if it cannot be read; empty for its tables.
        remedy: what to do then.

    Raises:
        ConfigurationError: if it cannot be read.
        BillingError, BudgetsError, ChannelsError, GrantsError, PlansError: as `broken` says, if it is no such file.
        FormatTooNewError: if it is written for a newer version.
    """
    text = _text(path, title or f"the {names[0]}s", remedy, broken)
    tables = tables_of(text, str(path))
    if isinstance(tables, Problem):
        raise broken((tables,))
    if schema is not None:
        _check_schema(tables.pop("schema", None), schema, path, broken)
    found = {name: tables.pop(name, None) for name in names}
    missing = [name for name in names if not found[name] or not is_list_of_tables(found[name])]
    if tables or missing:
        what = ", ".join(sorted(tables)[:5]) or f"no {missing[0]}"
        only = " and ".join(f"[[{name}]]" for name in names)
        raise broken((Problem(str(path), 0, f"it has {what}", f"write {only} tables, only"),))
    lines = lines_of_tables(text)
    return {name: _with_lines(found[name], lines.get(name, ())) for name in names}


def _with_lines(entries: Sequence[Mapping[str, Any]], lines: Sequence[int]) -> WrittenTables:
    return WrittenTables(entries, lines if len(lines) == len(entries) else ())


def _text(path: Path, title: str, remedy: str, broken: _Broken) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {title}",
            value=str(path),
            where=str(error.strerror),
            remedy=remedy,
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
