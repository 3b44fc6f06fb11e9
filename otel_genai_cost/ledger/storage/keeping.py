"""What keeps a ledger safe: what is noted beside it, what was retired, and what to do about an error."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.whole_files import replace_file

__all__ = [
    "BACKUP",
    "CONTRACTS_FILE",
    "EVENTS",
    "LEDGER_FILE",
    "RESTORE",
    "RESTORING",
    "RETIRED",
    "STANDBY",
    "Backup",
    "as_json",
    "backup_of",
    "facts_of",
    "last_backup",
    "note_retired",
    "now_us",
    "refuse_half_restored",
    "refuse_rebuild",
    "refuse_standby",
    "remedy",
    "retired",
    "retired_last_us",
]

EVENTS: Final = "events"
"""The folder of the ledger's own journal: what people decided."""

LEDGER_FILE: Final = "ledger.sqlite"
CONTRACTS_FILE: Final = "contracts.json"
"""What customers have agreed, as the ledger bills it."""

RETIRED: Final = "retired.json"
BACKUP: Final = "backup.json"
RESTORING: Final = "restoring.json"
"""Beside a ledger while a backup takes its place: until all of it is there, nobody opens it."""

STANDBY: Final = "standby.json"
"""Beside a copy that follows a ledger's backups: until it is promoted, nobody writes to it."""

RESTORE: Final = "put a backup back: `genai-cost ledger restore FILE`"

_BY_MESSAGE: Final = (
    ("locked", "another program holds it: close that, or try again later; nothing is lost"),
    ("busy", "another program holds it: close that, or try again later; nothing is lost"),
    ("full", "free some space and try again; nothing is lost"),
    ("readonly", "make its folder writable for this user; nothing is lost"),
    ("unable to open", "make its folder readable for this user; nothing is lost"),
    ("disk I/O", "look at the disk, then try again"),
)
"""Errors of SQLite that say nothing against the file itself."""


class Backup(NamedTuple):
    """A copy of a ledger: up to which entry, and when it was made (unix microseconds)."""

    ledger_id: str
    seq: int
    made_us: int


def remedy(home: Path | None, error: object) -> str:
    """What to do about an error of SQLite, or of what it holds.

    Args:
        home: the ledger's folder; None where it is not known.
        error: what happened.

    Returns:
        An advice, without a full stop. That a ledger can be rebuilt is never said where parts of its journal were
        retired.
    """
    text = str(error).lower()
    for part, advice in _BY_MESSAGE:
        if part in text:
            return advice
    if home is None:
        return "`genai-cost doctor` says what to do"
    if retired(home):
        return (
            f"if it is damaged, {RESTORE}; it cannot be rebuilt, because {retired(home)} segment(s) "
            "of its journal were retired"
        )
    return f"if it is damaged, move {LEDGER_FILE} away: the next `genai-cost ship` rebuilds it from the journal"


def retired(home: Path) -> int:
    """How many segments were deleted after they were ingested here."""
    count = facts_of(home / RETIRED).get("segments", 0)
    return count if type(count) is int else 1


def retired_last_us(home: Path) -> int:
    """When the last of them was."""
    last_us = facts_of(home / RETIRED).get("last_us", 0)
    return last_us if type(last_us) is int else 0


def note_retired(home: Path, count: int = 1) -> None:
    """Remember, beside the ledger, that segments of its journal are deleted.

    Args:
        home: the ledger's folder.
        count: how many.

    Raises:
        OSError: if that cannot be written.
    """
    facts = {"segments": retired(home) + count, "last_us": now_us()}
    replace_file(home / RETIRED, as_json(facts))


def refuse_rebuild(home: Path) -> None:
    """Refuse to make a new ledger in a folder where it would lack the calls of retired segments.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if segments of its journal were retired.
    """
    if retired(home):
        raise LedgerError(
            f"there is no ledger in {home}, and {retired(home)} segment(s) of its journal were retired, so a new one "
            f"would lack their calls; {RESTORE}, or remove {home / RETIRED} to begin without them"
        )


def refuse_half_restored(home: Path) -> None:
    """Refuse a ledger that a backup was taking the place of when its process ended.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if that was not finished.
    """
    if (home / RESTORING).exists():
        said = facts_of(home / RESTORING)
        again = said.get("again") or f"restore {said.get('source', 'FILE')}"
        raise LedgerError(
            f"a backup was being put in the place of the ledger in {home}, and not all of it is there; "
            f"do it again: `genai-cost ledger {again}`"
        )


def refuse_standby(home: Path) -> None:
    """Refuse to write to a copy that only follows a ledger.

    Args:
        home: the ledger's folder.

    Raises:
        LedgerError: if it does.
    """
    if (home / STANDBY).exists():
        raise LedgerError(
            f"{home} stands by for a ledger elsewhere, and is only read; if that one is gone for good, "
            f"`genai-cost ledger promote --ledger {home}` makes this one the ledger"
        )


def last_backup(home: Path) -> Backup | None:
    """The newest backup that was made of this ledger, wherever it is now."""
    return backup_of(facts_of(home / BACKUP))


def backup_of(facts: Mapping[str, Any]) -> Backup | None:
    """The backup that a manifest, or a note of it, is about; None if it does not say."""
    ledger_id, seq, made_us = (facts.get(key) for key in Backup._fields)
    if not (isinstance(ledger_id, str) and isinstance(seq, int) and isinstance(made_us, int)):
        return None
    return Backup(ledger_id, seq, made_us)


def facts_of(path: Path) -> Mapping[str, Any]:
    """What a small file beside the ledger says. One that cannot be read says that there is something."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"segments": 1}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {"segments": 1}


def as_json(facts: Mapping[str, Any]) -> bytes:
    """A small file of these facts."""
    return json.dumps(facts).encode() + b"\n"


def now_us() -> int:
    """The time, unix microseconds."""
    return time.time_ns() // 1000
