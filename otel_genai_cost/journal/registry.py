"""One list, for all users of a machine, of where processes journal: a ledger under another user id than an application
cannot guess where that fell back to.

It is a folder that everybody may write to, as /tmp is, with a small file for each place. So a file is no order to read
anything: whose it is, the file system says, and a ledger reads by itself only what its own user registered.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.whole_files import replace_file

__all__ = ["Place", "places", "register"]

_FILE_LIMIT_BYTES: Final = 16_384
_PLACES_MAX: Final = 1_000


class Place(NamedTuple):
    """Where a user's processes journal.

    Attributes:
        meant: the folder that they try first.
        folder: where they write.
        configured: whether somebody named that folder; else it is the user's own default.
        owner: the user id.
    """

    meant: Path
    folder: Path
    configured: bool
    owner: int


def register(shared_folder: Path, meant: Path, folder: Path, *, configured: bool) -> None:
    """Note where a process writes its journal.

    Args:
        shared_folder: the registry, made if it is not there; everybody may write to it.
        meant: the folder that the process tries first.
        folder: where it writes.
        configured: whether somebody named that folder; else it is the user's own default.

    Raises:
        OSError: if the registry cannot be written.
    """
    _make(shared_folder)
    said = {"meant": str(meant.absolute()), "folder": str(folder.absolute())}
    key = json.dumps([os.geteuid(), *said.values(), configured]).encode()
    path = shared_folder / f"{blake2b(key, digest_size=16).hexdigest()}.json"
    if path.exists():
        return
    replace_file(path, json.dumps({**said, "configured": configured}).encode() + b"\n")
    path.chmod(0o644)


def places(shared_folder: Path) -> list[Place]:
    """What is registered, but for folders that are gone; at most 1,000. What cannot be read says nothing."""
    try:
        paths = sorted(shared_folder.glob("*.json"))[:_PLACES_MAX]
    except OSError:
        return []
    return [place for path in paths for place in _place(path)]


def _make(shared_folder: Path) -> None:
    """Everybody may write to it, and nobody remove what is another's."""
    if not shared_folder.exists():
        shared_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        shared_folder.chmod(0o1777)
    found = shared_folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(f"{shared_folder} is no folder")


def _place(path: Path) -> Iterator[Place]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:  # noqa: PTH123 -- of a descriptor that follows no link
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return
            said: dict[str, Any] = json.loads(file.read(_FILE_LIMIT_BYTES))
        meant, folder = Path(said["meant"]), Path(said["folder"])
        if _is_gone(folder):
            if found.st_uid == os.geteuid():
                path.unlink()
            return
        yield Place(meant, folder, said["configured"] is True, found.st_uid)


def _is_gone(folder: Path) -> bool:
    """Whether there is no such folder, as far as this user may look."""
    try:
        return not stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
