"""Where the tenants' registry is found, and the selections of reports that go by it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.ledger_settings import load_ledger_settings
from otel_genai_cost.cli.output import note
from otel_genai_cost.errors import ConfigurationError, TenantsError
from otel_genai_cost.ledger.tenants.check import Written, rows_of
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory, directory_of
from otel_genai_cost.ledger.tenants.file import written_in, written_of
from otel_genai_cost.reports.selection import Selection

__all__ = ["directory_at", "is_query", "joined", "names_at", "registry_path"]

_FILE: Final = "tenants.toml"
_QUERY: Final = ".sql"


def registry_path(home: Home) -> Path:
    """The registry's file: the configured one, else `tenants.toml` in the ledger's folder. It need not be there."""
    return load_ledger_settings().tenants or home.folder / _FILE


def directory_at(home: Home) -> Directory:
    """The registry of a ledger; of one that has none, an empty one.

    Raises:
        ConfigurationError: if it cannot be read.
        TenantsError: with every problem, if it is broken.
    """
    path = registry_path(home)
    if load_ledger_settings().tenants is None and not path.exists():
        return NOT_REGISTERED
    written = _asked(home, path) if is_query(path) else written_in(path)
    return directory_of(rows_of(written))


def names_at(home: Home) -> Directory:
    """The registry where names alone are taken from it: of one that is broken or cannot be read none, and a note."""
    try:
        return directory_at(home)
    except (ConfigurationError, TenantsError) as error:
        note(f"tenants are shown by their ids: {str(error).partition(chr(10))[0]}")
        return NOT_REGISTERED


def is_query(path: Path) -> bool:
    """Whether the registry is what a query of the reports' store gives."""
    return path.suffix == _QUERY


def _asked(home: Home, path: Path) -> list[Written]:
    """The rows that a query of the store gives."""
    try:
        sql = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "cannot read the tenants' query",
            value=str(path),
            where=str(error),
            remedy="name a file that exists, or unset OTEL_GENAI_COST_TENANTS",
        ) from None
    found = home.store().query(sql)
    return written_of(found.columns, found.rows, str(path))


def joined(home: Home, selection: Selection) -> Selection:
    """The selection, with the registry of a ledger, as it was at the time that the selection asks for.

    Raises:
        ConfigurationError: if the registry cannot be read.
        TenantsError: with every problem, if it is broken: whose cost it is would be a guess.
    """
    directory = directory_at(home)
    if selection.as_of_us is not None:
        directory = directory.as_of(selection.as_of_us)
    return selection._replace(directory=directory)
