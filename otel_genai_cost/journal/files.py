"""The few things a journal asks of a file system, in one place so that tests can make each of them fail."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from otel_genai_cost.journal.ingested import MARKS
from otel_genai_cost.journal.receiving import is_receiving
from otel_genai_cost.whole_files import bring_to_disk

__all__ = ["Files", "OsFiles", "can_lock", "is_segment"]

_GROUP_FOLDER: Final = 0o2050
_GROUP_FILE: Final = 0o640
"""Members of the group may read; what is made in the folder belongs to its group."""

_GROUP_MARKS: Final = 0o2770
"""A ledger of the group may say what it has."""

_NO_FOLDERS: Final = frozenset((errno.EINVAL, errno.ENOTSUP))
"""Of a file system where folders are not brought onto a disk, or where that is not to be asked for."""


class Files(Protocol):
    """What a segment needs. Every method may raise OSError."""

    def make_folder(self, folder: Path) -> None:
        """Create a private folder, parents included; refuse one that somebody else can write to."""
        ...

    def create(self, path: Path) -> int:
        """Create a private file for appending and lock it; its descriptor."""
        ...

    def write(self, descriptor: int, line: bytes, /) -> int: ...
    def rename(self, old: Path, new: Path) -> None: ...
    def remove(self, path: Path) -> None: ...
    def status(self, file: Path | int, /) -> os.stat_result:
        """What is at a path, or behind a descriptor."""
        ...

    def segments(self, folder: Path) -> list[tuple[Path, int]]:
        """The segments of a folder, oldest first, and how many bytes each has."""
        ...

    def can_lock(self, path: Path, /) -> bool:
        """Whether nobody writes a segment any more."""
        ...

    def sync(self, descriptor: int) -> None: ...
    def sync_folder(self, folder: Path, /) -> None:
        """Bring a folder's names onto the disk: what a file has is lost with its name."""
        ...

    def close(self, descriptor: int) -> None: ...


class OsFiles:
    """The real file system. With `group`, the folder's group may read what is written: a ledger under another user id
    than the application's."""

    def __init__(self, *, group: bool = False) -> None:
        self._group = group

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if self._group and status.st_uid == os.geteuid():
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | _GROUP_FOLDER)
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{folder} is somebody else's link")
        if folder.stat().st_uid != os.geteuid() and status.st_mode & stat.S_IWOTH:
            raise PermissionError(
                f"{folder} belongs to somebody else and everybody can write to it"
            )
        if self._group and status.st_uid == os.geteuid():
            marks = folder / MARKS
            marks.mkdir(exist_ok=True)
            marks.chmod(_GROUP_MARKS)

    def create(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        try:
            if self._group:
                os.fchmod(descriptor, _GROUP_FILE)  # whatever the umask
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    write = staticmethod(os.write)

    def rename(self, old: Path, new: Path) -> None:
        old.rename(new)

    def remove(self, path: Path) -> None:
        path.unlink()

    status = staticmethod(os.stat)

    def segments(self, folder: Path) -> list[tuple[Path, int]]:
        found: list[tuple[str, int]] = []
        with os.scandir(folder) as entries:
            for one in entries:
                if is_segment(one.name):
                    with suppress(FileNotFoundError):  # another writer made room
                        found.append((one.name, one.stat().st_size))
        return [(folder / name, size) for name, size in sorted(found)]

    def can_lock(self, path: Path, /) -> bool:
        return can_lock(path)

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def sync_folder(self, folder: Path, /) -> None:
        try:
            bring_to_disk(folder)
        except OSError as error:
            if error.errno not in _NO_FOLDERS:
                raise

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


def is_segment(name: str) -> bool:
    """Whether a file of a journal's folder is a segment, by its name."""
    return name.endswith(".jsonl") and not name.startswith(".")


def can_lock(path: Path) -> bool:
    """Whether nobody holds the file's lock: its writer has closed it or is dead. Of one that comes from elsewhere,
    whether all of it has come."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return not is_receiving(path)
    finally:
        os.close(descriptor)
