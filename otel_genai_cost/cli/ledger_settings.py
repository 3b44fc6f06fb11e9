"""Settings that the ledger's commands read, and applications never do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypedDict

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.settings import (
    Found,
    Setting,
    optional_path,
    paths,
    read,
    settings_of,
    whole_number,
    words,
)

__all__ = [
    "LEDGER_SETTINGS",
    "LedgerSettings",
    "load_ledger_settings",
    "read_ledger_settings",
    "usable_ledger_settings",
]


def _address(text: str) -> str | None:
    """A URL with a scheme; None where there is none."""
    if text and "://" not in text:
        raise ValueError("write a URL, such as postgresql://host/database")
    return text or None


class _Options(TypedDict, total=False):
    """The definition, as `metering.config.Options` is that of an application's."""

    contracts: Annotated[
        Path | None,
        Setting(
            "",
            optional_path,
            "what customers have agreed, a `.toml` file: read by the ledger's commands only, never by an application",
        ),
    ]
    journals: Annotated[
        tuple[Path, ...] | None,
        Setting(
            "",
            paths,
            "further journal folders that the ledger's commands read, comma-separated: those of applications "
            "under other user ids, which `doctor` names; with `--ledger`, those of them that were meant for that "
            "ledger",
        ),
    ]
    tenants: Annotated[
        Path | None,
        Setting(
            "",
            optional_path,
            "who the tenants are, a `.toml`, `.csv` or `.sql` file: joined when reports are read; default: "
            "`tenants.toml` in the ledger's folder",
        ),
    ]
    sinks: Annotated[
        tuple[str, ...],
        Setting(
            "",
            words,
            "what `genai-cost ship` copies entries to beside DuckDB, comma-separated: `otlp`, each as a log event to "
            "the receiver that `OTEL_EXPORTER_OTLP_*` name; `otlp_metrics`, sums by tenant and model as metrics",
        ),
    ]
    metric_series: Annotated[
        int,
        Setting(
            "200",
            whole_number,
            "how many tenants' models `otlp_metrics` shows as a series of their own; the rest is `other`",
        ),
    ]
    gate_store: Annotated[
        str | None,
        Setting(
            "",
            _address,
            "where gates keep holds, if not in the ledger: `postgresql://…` or `redis://…`; `genai-cost ship` brings "
            "it what is booked",
            is_secret=True,
        ),
    ]


class LedgerSettings(NamedTuple):
    """Their values."""

    contracts: Path | None
    journals: tuple[Path, ...]
    tenants: Path | None
    sinks: tuple[str, ...]
    metric_series: int
    gate_store: str | None


LEDGER_SETTINGS: Final = settings_of(_Options)


def read_ledger_settings(environ: Mapping[str, str] | None = None) -> Found:
    """The values in an environment, default: the process's, where each came from, and what was wrong."""
    return read(LEDGER_SETTINGS, environ)


def load_ledger_settings() -> LedgerSettings:
    """The values in the process's environment."""
    return LedgerSettings(**read_ledger_settings().values)


def usable_ledger_settings() -> LedgerSettings:
    """The same, for who keeps something where they say: a default would be another place.

    Raises:
        ConfigurationError: for one that cannot be used.
    """
    found = read_ledger_settings()
    for one in found.problems:
        raise ConfigurationError(
            f"{one.what.partition(' ')[0]} cannot be used",
            value=one.value,
            where=one.where,
            remedy=one.remedy.partition("; until then")[0],
        )
    return LedgerSettings(**found.values)
