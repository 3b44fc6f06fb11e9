"""The price books that observations name, kept beside the journal so that every figure can be recomputed."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

from otel_genai_cost.whole_files import replace_file

__all__ = ["store_book", "stored_book"]


def store_book(folder: Path, digest: str, lock: bytes) -> None:
    """Keep a book's lock as `books/<digest>.json`: whole or not at all, readable by whoever may read the folder.

    Args:
        folder: the journal's, or the ledger's.
        digest: SHA-256 of the lock, hexadecimal.
        lock: canonical JSON.

    Raises:
        OSError: if it cannot be written.
    """
    path = folder / "books" / f"{digest}.json"
    if path.exists() and path.stat().st_size == len(lock):  # a power cut may have left less
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, lock)
    if folder.stat().st_mode & stat.S_IXGRP:
        path.parent.chmod(path.parent.stat().st_mode | 0o050)
        path.chmod(0o640)


def stored_book(folder: Path, digest: str) -> bytes | None:
    """The lock of a kept book; None if it is not there or is not what its name says."""
    try:
        lock = (folder / "books" / f"{digest}.json").read_bytes()
    except OSError:
        return None
    return lock if sha256(lock).hexdigest() == digest else None
