"""Files that are there whole or not at all, and what is on the disk when that is said."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["alone_in", "bring_to_disk", "owner_only", "replace_file"]


@contextmanager
def alone_in(folder: Path) -> Generator[None, None, None]:
    """Wait until no other process changes what is in a folder, and keep them waiting for the length of the block: two
    that read a file and replace it would lose what one of them wrote.

    Args:
        folder: made for its owner alone if it is not there.

    Raises:
        OSError: if it cannot be made or read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def replace_file(
    path: Path, content: bytes, opener: Callable[[str, int], int] | None = None
) -> None:
    """Write a file whole or not at all, so that nobody who watches it reads half of it.

    Args:
        path: the file, replaced if it is there.
        content: all of it.
        opener: makes it, such as `owner_only`; None for one that the umask lets others read.

    Raises:
        OSError: if it cannot be written.
    """
    hidden = path.with_name(f".{path.name}.{os.urandom(8).hex()}.new")
    try:
        with open(hidden, "wb", opener=opener) as file:
            file.write(content)
        hidden.replace(path)
    except OSError:
        hidden.unlink(missing_ok=True)
        raise


def bring_to_disk(path: Path) -> None:
    """Have the system write what it holds of a file's content, or of a folder's names, so that a power cut leaves it.

    Args:
        path: the file or the folder.

    Raises:
        OSError: if that cannot be done.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def owner_only(path: str, flags: int) -> int:
    """An opener for `open`: files that it makes are for their owner alone, as the ledger is.

    Args:
        path: of the file.
        flags: as `os.open` takes them.

    Returns:
        The descriptor.

    Raises:
        OSError: if it cannot be opened.
    """
    return os.open(path, flags, 0o600)
