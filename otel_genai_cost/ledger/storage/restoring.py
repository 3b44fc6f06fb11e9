"""A backup takes a ledger's place: all of it, or it is done again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.storage.backups import STORES, unpacked
from otel_genai_cost.ledger.storage.identity import Identity, identity_in, known_identity, promote
from otel_genai_cost.ledger.storage.keeping import (
    LEDGER_FILE,
    RESTORING,
    Backup,
    as_json,
    facts_of,
    now_us,
    refuse_standby,
)
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = ["clear_scratch", "move_aside", "move_in", "restore", "scratch", "there"]

_SCRATCH: Final = ".restore-"
_ASIDE: Final = ".before-"
_TOKENS: Final = ("sender-tokens.json", "gate-tokens.json")
"""What stands here is kept: a token that was revoked since the backup would hold again."""


def restore(
    home: Path, source: Path, *, replace: bool, first: Callable[[], object] = lambda: None
) -> Backup:
    """Put a backup in a ledger's place, under a new id, so that every sink is filled anew, and of a higher epoch, so
    that senders turn from the one that it replaces. The caller is its writer. If the process ends in the middle of it,
    the ledger is opened by nobody until it is done again.

    Args:
        home: the ledger's folder.
        source: a file that `back_up` wrote.
        replace: whether a ledger that is there is moved aside.
        first: what is to be done once the backup is known to be whole, and before anything is moved.

    Raises:
        LedgerError: if the file is no backup or is damaged, or there is a ledger that may not be replaced.
    """
    refuse_standby(home)
    if there(home) and not replace and not (home / RESTORING).exists():
        raise LedgerError(f"there is a ledger in {home}; pass --replace to move it aside")
    clear_scratch(home)
    with scratch(home) as name:
        folder = Path(name)
        made = unpacked(source, folder, home)
        first()
        before = _life_before(home)
        lived = {} if before is None else before._asdict()
        replace_file(home / RESTORING, as_json({"source": str(source.absolute()), **lived}))
        bring_to_disk(home)
        stores = [name for name in STORES if replace and (folder / name).exists()]
        move_aside(home, stores)
        move_in(folder, home, stays=lambda name: not replace or name in _TOKENS)
        promote(home, before)
        bring_to_disk(home)
    (home / RESTORING).unlink()
    return made.backup


def there(home: Path) -> list[Path]:
    """The files of the ledger that is in a folder."""
    return [path for path in sorted(home.glob(f"{LEDGER_FILE}*")) if _ASIDE not in path.name]


def clear_scratch(home: Path) -> None:
    """Delete what earlier tries have left."""
    for left in home.glob(f"{_SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)


def scratch(home: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder beside the ledger for what is to take its place."""
    return tempfile.TemporaryDirectory(dir=home, prefix=_SCRATCH)


def move_aside(home: Path, stores: Iterable[str] = ()) -> None:
    """Give a ledger's files, and those of these stores, other names."""
    found = there(home)
    for store in stores:
        found += [path for path in sorted(home.glob(f"{store}*")) if _ASIDE not in path.name]
    for path in found:
        path.rename(path.with_name(f"{path.name}{_ASIDE}{now_us()}"))


def move_in(folder: Path, home: Path, *, stays: Callable[[str], bool] = lambda name: False) -> None:
    """Every file of a folder to its place.

    Args:
        folder: where they are.
        home: where they go.
        stays: whether what has that name there already stays.
    """
    for path in sorted(folder.rglob("*")):
        place = home / path.relative_to(folder)
        if path.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)
        elif not place.exists() or not stays(path.name):
            path.replace(place)


def _life_before(home: Path) -> Identity | None:
    """What a ledger was before it was replaced, also where that was begun already."""
    known, noted = known_identity(home), identity_in(facts_of(home / RESTORING))
    if known is None or noted is None:
        return known or noted
    return Identity(noted.id, max(noted.epoch, known.epoch))
