"""Reading a file of budgets: TOML with `[[budget]]` tables, as a person writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import BudgetsError, ConfigurationError, FormatTooNewError, Problem
from otel_genai_cost.pricing.toml_text import (
    is_list_of_tables,
    lines_of_tables,
    tables_of,
    text_of,
)

__all__ = ["BUDGETS_SCHEMA", "WrittenBudgets", "written_budgets"]

BUDGETS_SCHEMA: Final = "otel-genai-cost-budgets/1"
_LIMIT_BYTES: Final = 32 * 1024 * 1024


class WrittenBudgets(NamedTuple):
    """The fields of each budget, and on which line it stands, where that is known."""

    budgets: Sequence[Mapping[str, Any]]
    lines: Sequence[int] = ()


def written_budgets(path: Path) -> WrittenBudgets:
    """The budgets of a file, as they were written.

    Raises:
        ConfigurationError: if it cannot be read.
        BudgetsError: if it is no file of budgets.
        FormatTooNewError: if it is written for a newer version.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the budgets",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists",
        ) from None
    if len(content) > _LIMIT_BYTES:
        raise _broken(path, f"larger than {_LIMIT_BYTES:,} bytes", "split it")
    return _written(content, path)


def _written(content: bytes, path: Path) -> WrittenBudgets:
    text = text_of(content, str(path))
    if isinstance(text, Problem):
        raise BudgetsError((text,))
    tables = tables_of(text, str(path))
    if isinstance(tables, Problem):
        raise BudgetsError((tables,))
    schema = tables.pop("schema", None)
    if schema != BUDGETS_SCHEMA:
        if isinstance(schema, str) and schema.startswith(BUDGETS_SCHEMA.rpartition("/")[0]):
            raise FormatTooNewError(f"budgets file {path}", schema, BUDGETS_SCHEMA)
        raise _broken(path, f"schema is {schema!r}", f'write schema = "{BUDGETS_SCHEMA}" first', 1)
    budgets = tables.pop("budget", [])
    if tables or not is_list_of_tables(budgets) or not budgets:
        found = ", ".join(sorted(tables)[:5]) or "no budget"
        raise _broken(path, f"it has {found}", "write [[budget]] tables below the schema, only")
    lines = lines_of_tables(text).get("budget", ())
    return WrittenBudgets(budgets, lines if len(lines) == len(budgets) else ())


def _broken(path: Path, what: str, remedy: str, line: int = 0) -> BudgetsError:
    return BudgetsError((Problem(str(path), line, what, remedy),))
