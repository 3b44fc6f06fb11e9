"""`journal`: the segments that processes write, what is wrong with them, and which may go."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

import typer

from otel_genai_cost.cli.home import Home, HomeOption
from otel_genai_cost.cli.output import JsonOption, note, print_json, print_table
from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, JournalError
from otel_genai_cost.journal.ingested import unmark
from otel_genai_cost.journal.reader import is_finished, segments
from otel_genai_cost.journal.repair import (
    gap_places,
    inspect_segment,
    repair,
    retire,
)
from otel_genai_cost.ledger.storage.cursors import Cursor
from otel_genai_cost.ledger.storage.keeping import note_retired
from otel_genai_cost.ledger.storage.retention import has_whole
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["register"]

_NAME: Final = re.compile(r"(\d{16})-[0-9a-f]+", re.ASCII)

FindingKind = Literal["damage", "gap", "lost", "unreadable"]

_SegmentsArgument = Annotated[
    list[Path] | None, typer.Argument(help="Segments; default: all of the journal's.")
]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(help="The segments that processes write.", no_args_is_help=True)
    group.command(name="ls")(_ls)
    group.command(name="verify")(_verify)
    group.command(name="repair")(_repair)
    group.command(name="prune")(_prune)
    app.add_typer(group, name="journal")


class _Journal(NamedTuple):
    """The segments that are asked about, and how far the ledger has each."""

    home: Home
    paths: list[Path]
    cursors: Mapping[Path, Cursor]

    @classmethod
    def at(cls, ledger: Path | None, asked: list[Path] | None) -> _Journal:
        """Raises ConfigurationError for a segment that is none."""
        home = Home.to_read(ledger)
        found = [path for folder in home.journals for path in segments(folder)]
        for path in asked or ():
            if path.suffix != ".jsonl" or not path.is_file():
                raise ConfigurationError(
                    "no segment of a journal",
                    value=str(path),
                    remedy="see `genai-cost journal ls`",
                )
        cursors: dict[Path, Cursor] = {}
        if home.has_ledger:
            with closing(home.ledger()) as opened:
                cursors = {Path(one.path).absolute(): one for one in opened.cursors.all()}
        return cls(home, asked or found, cursors)

    def cursor(self, path: Path) -> Cursor:
        """How far the ledger has a segment."""
        return self.cursors.get(path.absolute(), Cursor(str(path)))


def _ls(
    paths: _SegmentsArgument = None, ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Who wrote each segment, how much, whether it is finished, and how far the ledger has it."""
    journal = _Journal.at(ledger, paths)
    now_us = time.time_ns() // 1000
    found = [record for path in journal.paths for record in _listed(path, journal, now_us)]
    if as_json:
        print_json(found)
        return
    print_table(
        ("segment", "process", "age s", "bytes", "records", "state", "ledger", "damaged", "gaps"),
        [_row(one) for one in found],
        right=frozenset({"age s", "bytes", "records", "damaged", "gaps"}),
    )
    limit_mib = load_settings().settings.journal_limit_mib
    for folder in journal.home.journals:
        own = [one["bytes"] for one in found if Path(one["segment"]).parent == folder]
        if own:
            of = f" of {limit_mib:,}" if limit_mib else ""
            note(f"{folder}: {len(own)} segments, {sum(own) / 2**20:,.1f}{of} MiB")


def _listed(path: Path, journal: _Journal, now_us: int) -> Iterator[dict[str, Any]]:
    """A segment; nothing for one whose writer needed the room meanwhile."""
    try:
        state = inspect_segment(path)
    except FileNotFoundError:
        return
    except (OSError, FormatTooNewError) as error:
        note(f"{path} cannot be read: {error}")
        return
    cursor, begun = journal.cursor(path), _NAME.match(path.stem)
    begun_us = int(begun[1]) if begun else None
    whole = has_whole(cursor, state.size_bytes)
    yield {
        "segment": str(path),
        "process": state.process or None,
        "begun": None if begun_us is None else rfc3339(begun_us),
        "age_s": None if begun_us is None else (now_us - begun_us) // 1_000_000,
        "bytes": state.size_bytes,
        "records": state.records,
        "finished": state.finished,
        "sealed": state.sealed,
        "ledger": "whole" if whole else "part" if cursor.byte_offset else "none",
        "ingested_bytes": min(cursor.byte_offset, state.size_bytes),
        "damaged": len(state.damage),
        "gaps": state.gaps,
        "lost": state.lost,
    }


def _row(one: Mapping[str, Any]) -> list[str]:
    state = "live" if not one["finished"] else "sealed" if one["sealed"] else "left"
    age = "-" if one["age_s"] is None else f"{one['age_s']:,}"
    numbers = (f"{one[key]:,}" for key in ("bytes", "records"))
    wrong = (f"{one[key]:,}" for key in ("damaged", "gaps"))
    process = one["process"] or "-"
    return [one["segment"], process, age, *numbers, state, one["ledger"], *wrong]


def _verify(
    paths: _SegmentsArgument = None, ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Every line that cannot be read and every gap, with its place; exit code 1 if there is one."""
    journal = _Journal.at(ledger, paths)
    found = [one for path in journal.paths for one in _findings(path)]
    if as_json:
        print_json(found)
    elif found:
        columns = ("segment", "offset", "kind", "records", "reason")
        rows = [[str(one[name]) for name in columns] for one in found]
        print_table(
            columns, rows, right=frozenset({"offset", "records"}), prose=frozenset({"reason"})
        )
    note(f"{len(journal.paths)} segments, {len(found)} findings")
    if found:
        raise typer.Exit(1)


def _findings(path: Path) -> Iterator[dict[str, Any]]:
    try:
        state = inspect_segment(path)
        for damage in state.damage:
            yield _finding(path, damage.offset, "damage", damage.reason)
        for at, first, last in gap_places(path) if state.gaps else ():
            count = last - first + 1
            yield _finding(path, at, "gap", f"numbers {first} to {last} are missing", count)
        if state.lost and not state.finished:
            reason = "its writer says that they are lost: the folder was full"
            yield _finding(path, state.size_bytes, "lost", reason, state.lost)
    except FileNotFoundError:  # its writer needed the room
        return
    except (OSError, FormatTooNewError) as error:
        yield _finding(path, 0, "unreadable", str(error))


def _finding(
    path: Path, offset: int, kind: FindingKind, reason: str, records: int | None = None
) -> dict[str, Any]:
    return {
        "segment": str(path),
        "offset": offset,
        "kind": kind,
        "records": records,
        "reason": reason,
    }


def _repair(
    paths: _SegmentsArgument = None, ledger: HomeOption = None, as_json: JsonOption = False
) -> None:
    """Put aside what cannot be read, so that the rest is whole; the original is kept beside it. The ledger reads what
    there is first. Exit code 1 if a segment could not be repaired."""
    home = Home.to_read(ledger)
    home.fresh()
    journal = _Journal.at(ledger, paths)
    found = [one for path in journal.paths for one in _repaired(path, journal)]
    if as_json:
        print_json(found)
    for one in found if not as_json else ():
        done = f"{one['left_out_bytes']} bytes are left out; the original is {one['original']}"
        note(f"{one['segment']}: {done if one['repaired'] else one['reason']}")
    note(f"{len(journal.paths)} segments, {sum(one['repaired'] for one in found)} repaired")
    if not all(one["repaired"] for one in found):
        raise typer.Exit(1)


def _repaired(path: Path, journal: _Journal) -> Iterator[dict[str, Any]]:
    """What became of a segment with damage; nothing for a whole one."""
    answer = {"segment": str(path), "repaired": False, "reason": None}
    nothing = {"original": None, "left_out_bytes": 0}
    try:
        if not inspect_segment(path).damage:
            return
        if not journal.cursor(path).finished:  # it would read on at a place that has moved
            raise JournalError("the ledger has not read it to its end yet: ship, and try again")
        done = repair(path)
    except (OSError, JournalError, FormatTooNewError) as error:
        yield {**answer, "reason": str(error), **nothing}
        return
    if done is not None:
        more = {"original": str(done.aside), "left_out_bytes": done.left_out_bytes}
        yield {**answer, "repaired": True, **more}


def _prune(
    paths: _SegmentsArgument = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be deleted.")
    ] = False,
    ledger: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete the segments that are finished and that the ledger has whole, and no other. From then on the ledger is the
    only place that has their calls. Exit code 1 if a segment that was named is none of them."""
    journal = _Journal.at(ledger, paths)
    found = [_pruned(path, journal, dry_run=dry_run) for path in journal.paths]
    if as_json:
        print_json(found)
    else:
        rows = [
            [one["segment"], f"{one['bytes']:,}", one["reason"] or _done(dry_run)] for one in found
        ]
        columns = ("segment", "bytes", "what")
        print_table(columns, rows, right=frozenset({"bytes"}), prose=frozenset({"what"}))
    if paths and not all(one["pruned"] for one in found):
        raise typer.Exit(1)


def _done(dry_run: bool) -> str:
    return "would be deleted" if dry_run else "deleted"


def _pruned(path: Path, journal: _Journal, *, dry_run: bool) -> dict[str, Any]:
    size_bytes = path.stat().st_size if path.exists() else 0
    reason = _why_kept(path, journal.cursor(path), size_bytes)
    if reason is None and not dry_run:
        note_retired(journal.home.folder)
        retire(path)
        unmark(path)
    return {
        "segment": str(path),
        "bytes": size_bytes,
        "pruned": reason is None,
        "dry_run": dry_run,
        "reason": reason,
    }


def _why_kept(path: Path, cursor: Cursor, size_bytes: int) -> str | None:
    """Why a segment may not go; None if it may."""
    if not path.exists():
        return "gone: its writer needed the room"
    if not is_finished(path):
        return "kept: its writer is still there"
    if not cursor.byte_offset:
        return "kept: no ledger has read it; see `genai-cost ship`"
    if not cursor.finished:
        return f"kept: the ledger has {cursor.byte_offset:,} of {size_bytes:,} bytes"
    if not has_whole(cursor, size_bytes):
        return "kept: not all of it can be read; see `genai-cost journal repair`"
    return None
