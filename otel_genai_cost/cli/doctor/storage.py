"""Where observations are kept: the journal's folders and the segments in them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, failed, fine, judged, warned
from otel_genai_cost.cli.home import Home, read_too
from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.files import OsFiles
from otel_genai_cost.journal.ingested import is_marked
from otel_genai_cost.journal.repair import SegmentState, inspect
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.keeping import last_backup, remedy, retired, retired_last_us
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["backup", "journal", "ledger", "segments"]

_READABLE: Final = (
    "run it as a user who may read it, or let applications write for a group: "
    "OTEL_GENAI_COST_JOURNAL_ACCESS=group"
)
_FULL: Final = (
    "let `genai-cost ship --follow` read it (`genai-cost journal ls` shows how far the ledger is), or raise "
    "OTEL_GENAI_COST_JOURNAL_LIMIT_MIB"
)
_FREE_BYTES_MIN: Final = 256 * 1024 * 1024


def journal(home: Home) -> Iterator[Found]:
    """The first folder that can be written, and the space there."""
    folder = next(filter(_writable, home.journals), None)
    if folder is None:
        remedy = "set OTEL_GENAI_COST_JOURNAL to a writable folder"
        yield failed("journal", "no folder can be written", remedy)
        return
    free = shutil.disk_usage(folder).free
    held, unread = _held(folder)
    limit = load_settings().settings.journal_limit_mib * 2**20
    of = f" of {limit // 2**20:,}" if limit else ""
    seen = f"{folder}, {held / 2**20:,.1f}{of} MiB held, {free // 2**20:,} MiB free"
    if limit and unread >= limit - limit // 8:
        full = f"{seen}: {unread / 2**20:,.1f} MiB are in no ledger, and calls are refused"
        yield failed("journal", full, _FULL)
    elif folder != home.journals[0]:
        meant = f"make {home.journals[0]} writable, or set OTEL_GENAI_COST_JOURNAL"
        yield failed("journal", f"{seen}: a fall-back", meant)
    else:
        yield judged("journal", free >= _FREE_BYTES_MIN, seen, "free some space")


def _held(folder: Path) -> tuple[int, int]:
    """How many bytes the folder's segments have, and how many of them no ledger has."""
    found = OsFiles().segments(folder)
    return sum(size for _, size in found), sum(
        size for path, size in found if not is_marked(path, size)
    )


def _writable(folder: Path) -> bool:
    probe = folder / ".doctor"
    try:
        OsFiles().make_folder(folder)
        probe.touch()
        probe.unlink()
    except OSError:
        return False
    return True


def segments(home: Home) -> Iterator[Found]:
    """Damage and gaps in what the journals hold now."""
    states: list[SegmentState] = []
    for folder in home.journals:
        try:
            states += inspect(folder)
        except (OSError, GenAICostError) as error:
            yield failed("segments", f"{folder} cannot be read: {error}", _READABLE)
    for place in home.elsewhere:
        seen = f"{place.folder} of user id {place.owner} is not read"
        yield failed("segments", seen, read_too(place))
    damaged = sum(len(state.damage) for state in states)
    gaps = sum(state.gaps for state in states)
    live = sum(not state.finished for state in states)
    lost = sum(state.lost for state in states if not state.finished)
    seen = f"{len(states)} segments, {live} live, {damaged} damaged lines, {gaps} missing records"
    seen += f", {lost} lost by processes that still run" if lost else ""
    remedy = (
        "a disk or the journal was full, or a file was edited: `genai-cost journal verify` says where; "
        "compare with your traces"
    )
    yield judged("segments", not (damaged or gaps or lost), seen, remedy)


def ledger(home: Home) -> Iterator[Found]:
    """Whether the ledger is sound, and whether one may be made."""
    path = home.folder / LEDGER_FILE
    if not path.exists():
        count = retired(home.folder)
        lost = f"none, and {count} segments of its journal were retired"
        if count:
            yield failed("ledger", lost, "put a backup back: `genai-cost ledger restore FILE`")
        return
    try:
        opened = Ledger(path, readonly=True)
        try:
            damage, entries = opened.damage(), opened.entries.last_seq()
        finally:
            opened.close()
    except (GenAICostError, sqlite3.Error) as error:
        yield failed("ledger", str(error), remedy(home.folder, error))
    else:
        seen = f"{entries:,} entries" if damage is None else damage
        yield judged("ledger", damage is None, seen, remedy(home.folder, damage))


def backup(home: Home) -> Iterator[Found]:
    """Where segments were retired, the ledger is the only place that has their calls."""
    count = retired(home.folder)
    if not count:
        return
    last = last_backup(home.folder)
    save = "`genai-cost ledger backup FILE`, now and regularly, onto another disk"
    if last is None:
        yield failed("backup", f"{count} segments were retired, and there is no backup", save)
        return
    seen = f"of {rfc3339(last.made_us)}, up to entry {last.seq:,}"
    if last.made_us < retired_last_us(home.folder):
        yield warned("backup", f"{seen}; segments were retired since", save)
    else:
        yield fine("backup", seen)
