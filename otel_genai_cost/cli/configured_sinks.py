"""`sinks.toml`: the sinks that `genai-cost sinks add` has put into a ledger's folder, a table each.

A value may be `env:NAME` or `file:PATH`, and is then looked up whenever the sink is opened: secrets never stand here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from otel_genai_cost.errors import ConfigurationError, Problem
from otel_genai_cost.ledger.sink import GROUP, Configurable, Sink, load_sink
from otel_genai_cost.plug_ins import missing_option, plug_in
from otel_genai_cost.pricing.toml_text import tables_of, text_of
from otel_genai_cost.settings import is_kept_elsewhere, value_at
from otel_genai_cost.whole_files import alone_in, owner_only, replace_file

__all__ = [
    "SINKS_FILE",
    "ConfiguredSink",
    "open_sink",
    "read_sinks",
    "sinks_to_change",
    "state_of",
]

SINKS_FILE: Final = "sinks.toml"

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SECRET: Final = re.compile(r"(password|secret|secret_key|access_key|account_key|token)$")
_SPELLED: Final = re.compile(r"(^|[\s?&])(ssl)?password\s*=", re.IGNORECASE)
"""A password as an address spells it beside the place of its own: `?password=…`, or libpq's `host=… password=…`."""

_KIND: Final = "kind"
_TAKEN: Final = frozenset({"duckdb", "gate"})
"""Names of sinks that are there without being configured here."""


class ConfiguredSink(NamedTuple):
    """One of them.

    Attributes:
        name: its own.
        kind: the entry point of its class.
        options: what its class is given, as they are written.
    """

    name: str
    kind: str
    options: Mapping[str, str]


def read_sinks(folder: Path) -> dict[str, ConfiguredSink]:
    """The configured sinks of a ledger, by name; none without a file.

    Args:
        folder: the ledger's.

    Raises:
        ConfigurationError: if the file cannot be read, or says what no sink is.
    """
    path = folder / SINKS_FILE
    try:
        text = text_of(path.read_bytes(), str(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            "sinks cannot be read", where=str(path), remedy=f"{error}"
        ) from None
    tables = text if isinstance(text, Problem) else tables_of(text, str(path))
    if isinstance(tables, Problem):
        raise ConfigurationError(f"sinks cannot be read: {tables}")
    return {name: _sink_of(name, table, path) for name, table in tables.items()}


def _sink_of(name: str, table: object, path: Path) -> ConfiguredSink:
    texts = dict(cast("dict[str, Any]", table)) if isinstance(table, dict) else {}
    kind = texts.pop(_KIND, None)
    if not isinstance(kind, str) or not all(isinstance(one, str) for one in texts.values()):
        raise ConfigurationError(
            "no sink",
            value=name,
            where=str(path),
            remedy='write a table of texts, with kind = "…" in it',
        )
    return ConfiguredSink(name, kind, texts)


@contextmanager
def sinks_to_change(folder: Path) -> Generator[dict[str, ConfiguredSink], None, None]:
    """The configured sinks by name, to be changed in the block, while whoever else would change them waits. Then the
    file is replaced, for its owner alone to read.

    Args:
        folder: the ledger's.

    Raises:
        ConfigurationError: if the file cannot be read or written, or says what no sink is.
    """
    path = folder / SINKS_FILE
    try:
        with alone_in(folder):
            sinks = read_sinks(folder)
            yield sinks
            replace_file(path, "\n".join(map(_table, sinks.values())).encode(), owner_only)
    except OSError as error:
        raise ConfigurationError(
            "sinks cannot be written", where=str(path), remedy=f"{error}"
        ) from None


def _table(sink: ConfiguredSink) -> str:
    pairs = {_KIND: sink.kind, **sink.options}
    lines = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items())
    return "\n".join((f"[{sink.name}]", *lines, ""))


def state_of(folder: Path, name: str) -> Path:
    """Where a configured sink may keep what it knows: a file or a folder, as it likes.

    Args:
        folder: the ledger's.
        name: the sink's.
    """
    return folder / "sinks" / name


def open_sink(sink: ConfiguredSink, folder: Path) -> Sink:
    """The sink, made of what is written.

    Args:
        sink: it.
        folder: the ledger's.

    Raises:
        ConfigurationError: if its class does not take what is written, or a secret is not where it is said to be.
        MissingExtraError: if its library is not installed.
    """
    where = f"{folder / SINKS_FILE}, [{sink.name}]"
    _check(sink, where)
    options = {key: value_at(value, f"{key} of {where}") for key, value in sink.options.items()}
    return load_sink(sink.kind, path=state_of(folder, sink.name), **options)


def _check(sink: ConfiguredSink, where: str) -> None:
    if sink.name in _TAKEN or not _NAME.fullmatch(sink.name):
        raise ConfigurationError(
            "no name for a sink",
            value=sink.name,
            where=where,
            remedy="use letters, digits, - and _, and neither duckdb nor gate",
        )
    kind: Any = plug_in(GROUP, sink.kind, "sink")
    known = dict(kind.options()) if isinstance(kind, Configurable) else dict[str, str]()
    for key, value in sink.options.items():
        _check_option(sink.kind, key, value, known, where)
    if (missing := missing_option(kind, known, sink.options)) is not None:
        raise ConfigurationError(
            f"{sink.kind} needs an option",
            value=missing,
            where=where,
            remedy=f"--option {missing}=…: {known[missing]}",
        )


def _check_option(kind: str, key: str, value: str, known: Mapping[str, str], where: str) -> None:
    if key not in known:
        meant = "; ".join(f"{name}: {meaning}" for name, meaning in known.items())
        raise ConfigurationError(
            f"{kind} has no such option",
            value=key,
            where=where,
            remedy=f"it has {meant}" if meant else "it has none",
        )
    if not value.isprintable():
        raise ConfigurationError("not printable", value=value, where=f"{key} of {where}")
    if not is_kept_elsewhere(value) and (_SECRET.search(key) or _has_password(value)):
        raise ConfigurationError(
            "secrets do not stand in this file",
            where=f"{key} of {where}",
            remedy="write env:NAME of a variable, or file:PATH",
        )


def _has_password(value: str) -> bool:
    if _SPELLED.search(value):
        return True
    try:
        return "://" in value and urlsplit(value).password is not None
    except ValueError:
        return False
