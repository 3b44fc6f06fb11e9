"""The few things a journal asks of a file system, in one place so that tests can make each of them fail."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Protocol

__all__ = ["Files", "OsFiles", "can_lock"]


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
    def is_linked(self, descriptor: int) -> bool:
        """Whether the file still has a name: False once somebody deleted it."""
        ...

    def sync(self, descriptor: int) -> None: ...
    def close(self, descriptor: int) -> None: ...


class OsFiles:
    """The real file system."""

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if stat.S_ISLNK(status.st_mode) and status.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"{folder} is somebody else's link")
        if folder.stat().st_uid != os.geteuid() and status.st_mode & stat.S_IWOTH:
            raise PermissionError(
                f"{folder} belongs to somebody else and everybody can write to it"
            )

    def create(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        try:
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

    def is_linked(self, descriptor: int) -> bool:
        return os.fstat(descriptor).st_nlink > 0

    def sync(self, descriptor: int) -> None:
        os.fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


def can_lock(path: Path) -> bool:
    """Whether nobody holds the file's lock: its writer has closed it or is dead."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
