"""A receiver's disk on which the power fails: what was not brought onto it is lost, in part or whole."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from random import Random

from otel_genai_cost.intake.disk import Disk

__all__ = ["Stopped", "Volume"]


class Stopped(BaseException):
    """The process is dead at this point; nothing of it catches that."""


class Volume(Disk):
    """A disk under a folder. What is synced survives; of what is not, any part may, and rubbish in its place.

    Args:
        draw: decides.

    Attributes:
        is_full: whether nothing more can be written.
        fails_to_sync: whether what is written cannot be brought onto it.
        stops_at: at how many more writes whoever writes is killed; None for never.
    """

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._synced: dict[Path, int] = {}
        self._unnamed: set[Path] = set()
        self.is_full = self.fails_to_sync = False
        self.stops_at: int | None = None

    def append(self, path: Path, offset: int, content: bytes) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        if not path.exists():
            self._unnamed.add(path)
        self._synced.setdefault(path, 0)
        super().append(path, offset, content)
        self._look()

    def truncate(self, path: Path, size: int) -> None:
        super().truncate(path, size)
        self._synced[path] = min(size, self._synced.get(path, size))

    def sync(self, path: Path) -> None:
        self._look()
        if path.is_dir():
            self._unnamed -= {one for one in self._unnamed if one.parent == path}
        elif self.fails_to_sync and path in self._synced:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        else:
            self._synced[path] = path.stat().st_size

    def _look(self) -> None:
        if self.stops_at is not None:
            self.stops_at -= 1
            if self.stops_at < 0:
                self.stops_at = None
                raise Stopped

    def free_bytes(self, folder: Path) -> int:
        return 0 if self.is_full else 1 << 40

    def lose_power(self) -> None:
        """Cut off what was not synced; of a file whose name was not, the whole."""
        for path, synced in self._synced.items():
            if not path.exists():
                continue
            if path in self._unnamed and self._draw.random() < 0.5:
                path.unlink()
                continue
            left = self._draw.randint(synced, max(synced, path.stat().st_size))
            os.truncate(path, left)
            if left > synced and self._draw.random() < 0.5:
                rubbish = self._draw.randint(synced, left)
                with path.open("r+b") as file:
                    file.seek(rubbish)
                    file.write(bytes(left - rubbish))
        self._synced = {path: path.stat().st_size for path in self._synced if path.exists()}
        self._unnamed.clear()
