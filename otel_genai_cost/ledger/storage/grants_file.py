"""Reading a file of grants: TOML with `[[grant]]` tables, as a person or an export writes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError, GrantsError, Problem
from otel_genai_cost.pricing.toml_text import (
    is_list_of_tables,
    lines_of_tables,
    tables_of,
    text_of,
)

__all__ = ["WrittenGrants", "written_grants"]

_LIMIT_BYTES: Final = 4 * 1024 * 1024


class WrittenGrants(NamedTuple):
    """The fields of each grant, and on which line it stands, where that is known."""

    grants: Sequence[Mapping[str, Any]]
    lines: Sequence[int]


def written_grants(path: Path) -> WrittenGrants:
    """The grants of a file, as they were written.

    Raises:
        ConfigurationError: if it cannot be read.
        GrantsError: if it is not TOML with `[[grant]]` tables.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the grants",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists",
        ) from None
    file_name = str(path)
    if len(content) > _LIMIT_BYTES:
        raise _broken(Problem(file_name, 0, f"larger than {_LIMIT_BYTES:,} bytes", "split it"))
    text = text_of(content, file_name)
    tables = text if isinstance(text, Problem) else tables_of(text, file_name)
    if isinstance(text, Problem) or isinstance(tables, Problem):
        raise _broken(text if isinstance(text, Problem) else tables)
    entries = tables.get("grant")
    if not entries or not is_list_of_tables(entries) or len(tables) > 1:
        found = ", ".join(sorted(tables)[:5]) or "nothing"
        raise _broken(Problem(file_name, 0, f"it has {found}", "write [[grant]] tables, only"))
    lines = lines_of_tables(text).get("grant", ())
    return WrittenGrants(entries, lines if len(lines) == len(entries) else ())


def _broken(problem: Any) -> GrantsError:
    return GrantsError((problem,))
