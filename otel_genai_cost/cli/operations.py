"""`config` and `doctor`: what is set, and what is wrong with it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption, JsonOption
from otel_genai_cost.cli.output import print_json, print_table
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.repair import SegmentState, inspect
from otel_genai_cost.ledger.contract_file import load_contracts
from otel_genai_cost.metering.config import SETTINGS, environment, load_settings
from otel_genai_cost.pricing.catalogue import ages
from otel_genai_cost.pricing.layers import load_layers
from otel_genai_cost.tenancy.edge import TenantSource, tenant_function

__all__ = ["register"]

_FREE_BYTES_MIN: Final = 256 * 1024 * 1024
_DAY_US: Final = 86_400_000_000


class Check(NamedTuple):
    """One thing looked at: fine, or what to do about it."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="config")(_config)
    app.command(name="doctor")(_doctor)


def _config(as_json: JsonOption = False) -> None:
    """Each setting, its value and where it came from."""
    loaded = load_settings()
    rows = [
        (row.env, _shown(getattr(loaded.settings, row.name)), loaded.origins[row.name])
        for row in SETTINGS
    ]
    if as_json:
        print_json({"setting": env, "value": value, "from": origin} for env, value, origin in rows)
    else:
        print_table(("setting", "value", "from"), rows, right=frozenset())
    for problem in loaded.problems:
        typer.echo(str(problem), err=True)


def _shown(value: object) -> str:
    if isinstance(value, TenantSource):
        return f"{value.kind}:{value.name}"
    if isinstance(value, tuple):
        return ",".join(map(str, value))  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _doctor(ledger: HomeOption = None, as_json: JsonOption = False) -> None:
    """Look at the whole set-up; exit code 1 if something is wrong."""
    checks = list(_checks(Home.at(ledger)))
    if as_json:
        print_json(check._asdict() for check in checks)
    else:
        rows = [
            ("ok" if c.ok else "WRONG", c.name, c.found, "" if c.ok else c.remedy) for c in checks
        ]
        print_table(("", "what", "found", "remedy"), rows, right=frozenset())
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _checks(home: Home) -> Iterator[Check]:
    yield from _settings()
    yield from _prices()
    yield from _contracts(home)
    yield _journal(home)
    yield _segments(home)
    yield _propagators()
    yield _library(
        "threading instrumentation",
        "opentelemetry-instrumentation-threading",
        "thread pools lose tenants",
    )
    yield _library("DuckDB", "duckdb", "reports need it")
    yield _library("msgspec", "msgspec", "journal lines are encoded several times slower")


def _settings() -> Iterator[Check]:
    loaded = load_settings()
    if not loaded.problems:
        yield Check("settings", True, f"{sum(v != 'default' for v in loaded.origins.values())} set")
    for problem in loaded.problems:
        yield Check("settings", False, f"{problem.what}: {problem.value!r}", problem.remedy)
    tenant = loaded.settings.tenant
    if tenant is None:
        yield Check("tenant source", True, "inbound baggage, or tenant() in code")
    elif tenant.kind == "callable":
        yield _callable(tenant.name)
    else:
        yield Check("tenant source", True, f"{tenant.kind}:{tenant.name}")


def _callable(name: str) -> Check:
    try:
        tenant_function(name)
    except GenAICostError as error:
        return Check("tenant source", False, f"callable:{name}", str(error))
    return Check("tenant source", True, f"callable:{name}")


def _prices() -> Iterator[Check]:
    settings = load_settings().settings
    try:
        book = load_layers(settings.book, settings.overlays)
    except GenAICostError as error:
        yield Check("price book", False, "cannot be used", str(error).splitlines()[0])
        return
    now_us, limit = time.time_ns() // 1000, settings.stale_book_days
    age_days = (now_us - book.newest_recorded_at_us) // _DAY_US
    found = f"{book.digest[:12]}, {book.rows} rows, newest {age_days} days old"
    remedy = "upgrade otel-genai-cost, set OTEL_GENAI_COST_BOOK, or fetch a newer book"
    yield Check("price book", age_days <= limit, found, remedy)
    every = ages(book)
    stale = [age.provider for age in every if age.days(now_us) > limit]
    told = f"{len(stale)} of {len(every)} not looked at for {limit} days"
    names = ", ".join(stale[:5]) + ("" if len(stale) <= 5 else ", …")
    yield Check("providers' prices", not stale, told, f"{names}: see `genai-cost prices stale`")


def _contracts(home: Home) -> Iterator[Check]:
    """Only where there are any: list prices need no check."""
    path = load_settings().settings.contracts
    if path is None and not (home.folder / "contracts.json").exists():
        return
    try:
        agreed = load_contracts(path or home.folder / "contracts.json")
    except GenAICostError as error:
        yield Check("contracts", False, "cannot be used", str(error).splitlines()[0])
    else:
        yield Check("contracts", True, f"{len(agreed.contracts)}, {str(agreed.digest)[:12]}")


def _journal(home: Home) -> Check:
    for folder in home.journals:
        try:
            OsFiles().make_folder(folder)
            probe = folder / ".doctor"
            probe.touch()
            probe.unlink()
        except OSError:
            continue
        free = shutil.disk_usage(folder).free
        found = f"{folder}, {free // 2**20:,} MiB free"
        if folder != home.journals[0]:
            meant = f"make {home.journals[0]} writable, or set OTEL_GENAI_COST_JOURNAL"
            return Check("journal", False, f"{found}: a fall-back", meant)
        return Check("journal", free >= _FREE_BYTES_MIN, found, "free some space")
    return Check(
        "journal",
        False,
        "no folder can be written",
        "set OTEL_GENAI_COST_JOURNAL to a writable folder",
    )


def _segments(home: Home) -> Check:
    """Damage and gaps in what the journals hold now."""
    states = [state for folder in home.journals for state in _inspected(folder)]
    damaged = sum(len(state.damage) for state in states)
    gaps = sum(state.gaps for state in states)
    live = sum(not state.finished for state in states)
    found = f"{len(states)} segments, {live} live, {damaged} damaged lines, {gaps} missing records"
    return Check(
        "segments",
        not (damaged or gaps),
        found,
        "a disk was full or a file was edited; compare with your traces",
    )


def _inspected(folder: Path) -> list[SegmentState]:
    try:
        return inspect(folder)
    except (OSError, GenAICostError):
        return []


def _propagators() -> Check:
    """Without W3C baggage a tenant does not reach the next service."""
    names = environment().get("OTEL_PROPAGATORS", "tracecontext,baggage")
    words = [word.strip() for word in names.split(",")]
    return Check(
        "propagators",
        "baggage" in words,
        names,
        "add baggage to OTEL_PROPAGATORS, after tracecontext",
    )


def _library(name: str, distribution: str, without: str) -> Check:
    try:
        return Check(name, True, version(distribution))
    except PackageNotFoundError:
        installed = find_spec(distribution.replace("-", "_")) is not None
        return Check(name, installed, "not installed", f"pip install {distribution}: {without}")
