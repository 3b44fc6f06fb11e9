"""What a receiver asks of a file system, in one place so that tests can make each of it fail.

Nothing is kept open: a file is opened for each thing that is done with it, so that however many segments are coming in,
the descriptors are as many as the requests.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = ["Disk"]

_MODE: Final = 0o600


class Disk:
    """The real one. Every method may raise OSError."""

    def size(self, path: Path) -> int | None:
        """How long a file is; None if there is none."""
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def read(self, path: Path, offset: int, size: int) -> bytes:
        """So many bytes of a file, or what there is of them.

        Args:
            path: the file.
            offset: from where on.
            size: how many.
        """
        with _opened(path, os.O_RDONLY) as descriptor:
            return os.pread(descriptor, size, offset)

    def append(self, path: Path, offset: int, content: bytes) -> None:
        """Write at the end of a file, made if there is none: all of it or nothing.

        Args:
            path: the file.
            offset: how long it is.
            content: what is written.
        """
        with _opened(path, os.O_WRONLY | os.O_CREAT) as descriptor:
            left = memoryview(content)
            try:
                while left:
                    written = os.pwrite(descriptor, left, offset + len(content) - len(left))
                    left = left[written:]
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, offset)
                raise

    def truncate(self, path: Path, size: int) -> None:
        """Cut a file off."""
        os.truncate(path, size)

    def put(self, path: Path, content: bytes) -> None:
        """Write a small file, whole or not at all, onto the disk."""
        replace_file(path, content)
        self.sync(path)
        self.sync(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a file, if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, folder: Path) -> None:
        """Make a private folder, if it is not there, for good."""
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.sync(folder.parent)

    def sync(self, path: Path) -> None:
        """Bring a file's content, or a folder's names, onto the disk."""
        bring_to_disk(path)

    def free_bytes(self, folder: Path) -> int:
        """How much may still be written beside a folder."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def _opened(path: Path, flags: int) -> Generator[int]:
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
