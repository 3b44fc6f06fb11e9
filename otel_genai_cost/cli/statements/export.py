"""`statements export`: statements as files for people, spreadsheets and cost tools."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import note, print_json
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.cli.statements.asked import (
    AnchorOption,
    AnyPeriodOption,
    CadenceOption,
    OnlyByOption,
    RevisionOption,
    TenantOption,
)
from otel_genai_cost.cli.statements.list import kept_of
from otel_genai_cost.cli.statements.show import is_meant
from otel_genai_cost.cli.statements.shown import kept_record
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.codec import encode_spaced
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.reports.printable import escaped_json
from otel_genai_cost.statements.exports.days import daily_of, entries_of
from otel_genai_cost.statements.exports.files import (
    SINGLE,
    SUFFIXES,
    Format,
    Surroundings,
    exported,
)
from otel_genai_cost.statements.exports.focus_columns import Version
from otel_genai_cost.statements.exports.focus_rows import Daily
from otel_genai_cost.statements.exports.issuer import NOBODY, Issuer, issuer_of
from otel_genai_cost.statements.exports.numbering import number_of
from otel_genai_cost.statements.gather import Series
from otel_genai_cost.statements.statement import Scope, Statement, Whose
from otel_genai_cost.statements.store import Kept, series_of
from otel_genai_cost.whole_files import replace_file

__all__ = ["register"]

_ISSUER_FILE = "issuer.toml"
_TABLES = frozenset({"csv", "focus-csv", "focus-parquet"})


def register(group: typer.Typer) -> None:
    """Add the command to `genai-cost statements`."""
    group.command(name="export")(_export)


def _export(
    which: Annotated[
        str,
        typer.Argument(
            metavar="[WHICH]",
            help="A tenant's id, or 8 digits of a digest or more; default: all.",
            show_default=False,
        ),
    ] = "",
    form: Annotated[Format, typer.Option("--format", help="What kind of file.")] = "json",
    period: AnyPeriodOption = "",
    cadence: CadenceOption = None,
    anchor: AnchorOption = None,
    tenant: TenantOption = None,
    by: OnlyByOption = None,
    revision: RevisionOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A file, or a folder that gets a file a statement; default: stdout."),
    ] = None,
    issuer: Annotated[
        Path | None,
        typer.Option(help="Who issues them; default: issuer.toml in the ledger's folder."),
    ] = None,
    focus: Annotated[Version, typer.Option(help="The version of FOCUS.")] = "1.2",
    ledger: HomeOption = None,
) -> None:
    """Statements that were stated, as JSON, CSV, FOCUS, HTML or PDF. A rerun writes the same bytes."""
    home = Home.to_read(ledger)
    found = [
        kept
        for kept in kept_of(home, period, cadence, anchor, tenant, by)
        if (not which or is_meant(kept.statement, which))
        and (revision is None or kept.statement.revision == revision)
    ]
    found = _counted_once(found, form, by)
    if not found:
        raise ConfigurationError(
            "no such statement",
            value=which or None,
            where=period,
            remedy="see `genai-cost statements list`; what is not over yet is not kept",
        )
    directory = directory_at(home)
    around = Surroundings(
        NOBODY if form == "json" else _issuer(home, issuer),
        directory,
        focus,
        _daily(home, found, directory) if form.startswith("focus") else {},
    )
    if out is not None and (out.is_dir() or not out.suffix):
        _write_folder(found, form, around, out)
    else:
        _write(found, form, around, out)


def _counted_once(found: Sequence[Kept], form: Format, by: Scope | None) -> list[Kept]:
    """Of tables, whose rows are added up, statements without those that split one which is there; where calls are still
    in several statements, that is said."""
    if form not in _TABLES:
        return [*found]
    whole = {_whole_of(kept.statement) for kept in found if kept.statement.scope is None}
    shown = [
        kept
        for kept in found
        if by is not None or kept.statement.scope is None or _whole_of(kept.statement) not in whole
    ]
    if left := len(found) - len(shown):
        note(
            f"{left:,} statement(s) that are split are left out: their calls are in the others; pass --by for them"
        )
    if names := " and ".join(_beside_each_other(shown)):
        note(
            f"{names} statements are in it, each with the same calls: pass --cadence, --anchor or --by before adding up"
        )
    return shown


def _whole_of(one: Statement) -> Series:
    """The series of a statement, were it not split."""
    return series_of(one)._replace(scope=None, scope_value=None)


def _beside_each_other(found: Sequence[Kept]) -> list[str]:
    """The kinds of statements of which somebody has several, in words."""
    kinds: dict[tuple[Whose, str | None], set[str]] = {}
    for one in (kept.statement for kept in found):
        anchor = f" on {one.anchor}" if one.cadence == "anchored" else ""
        by = "" if one.scope is None else f" by {one.scope}"
        kinds.setdefault((one.whose, one.tenant), set()).add(f"{one.cadence}{anchor}{by}")
    return sorted({kind for each in kinds.values() if len(each) > 1 for kind in each})


def _issuer(home: Home, given: Path | None) -> Issuer:
    path = given or home.folder / _ISSUER_FILE
    return NOBODY if given is None and not path.exists() else issuer_of(path)


def _daily(home: Home, found: Sequence[Kept], directory: Directory) -> Mapping[str, Daily]:
    """What the ledger has of their days. Without the ledger there are none, and that would be another file; nor has one
    any of what was stated of another: it counts its entries anew."""
    with closing(home.ledger()) as opened, opened.snapshot():
        statements = [kept.statement for kept in found if kept.ledger == opened.id]
        if not statements:
            return {}
        return daily_of(entries_of(opened, statements, directory), statements, directory)


def _write_folder(found: Sequence[Kept], form: Format, around: Surroundings, out: Path) -> None:
    """A file a statement, under its number."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for kept in found:
            path = out / f"{number_of(kept.statement)}{SUFFIXES[form]}"
            replace_file(path, _content([kept], form, around))
    except OSError as error:
        raise _not_written(out, error) from None
    note(f"{len(found):,} statement(s) in {out}")


def _write(found: Sequence[Kept], form: Format, around: Surroundings, out: Path | None) -> None:
    """All of them into one file, or to stdout."""
    if form in SINGLE and len(found) > 1:
        raise ConfigurationError(
            f"{len(found):,} statements, and a file of this kind has one",
            value=form,
            where="--format",
            remedy="pass --out FOLDER, or say which: a tenant, --period and --revision",
        )
    if out is not None:
        try:
            replace_file(out, _content(found, form, around))
        except OSError as error:
            raise _not_written(out, error) from None
    elif form == "json":
        print_json(map(kept_record, found))
    else:
        _to_stdout(_content(found, form, around), form)


def _to_stdout(content: bytes, form: Format) -> None:
    if sys.stdout.isatty() and form in ("pdf", "focus-parquet"):
        raise ConfigurationError(
            "a terminal cannot show that", value=form, where="--format", remedy="pass --out FILE"
        )
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def _content(found: Sequence[Kept], form: Format, around: Surroundings) -> bytes:
    if form == "json":
        lines = (escaped_json(encode_spaced(kept_record(kept))) for kept in found)
        return "".join(f"{line}\n" for line in lines).encode()
    return exported([kept.statement for kept in found], form, around)


def _not_written(out: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        "cannot be written",
        value=str(out),
        where=error.strerror or str(error),
        remedy="name a place that can be written to, with room on its disk",
    )
