"""One process at a time: for writing a ledger, and for delivering its notices."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from otel_genai_cost.errors import LedgerLockedError

__all__ = ["exclusive"]


@contextmanager
def exclusive(path: Path, refusal: str) -> Generator[None, None, None]:
    """Hold the lock of a file for the length of the block.

    Args:
        path: the file, made if it is not there; its folder is.
        refusal: what is said where another process holds it.

    Raises:
        LedgerLockedError: if another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise LedgerLockedError(refusal) from None
    try:
        yield
    finally:
        os.close(descriptor)
