"""A value that is read from files, and read again when they change: prices and contracts without a restart.

A file that is replaced is seen by its inode, size and time. The new value is read and checked whole before it takes
the old one's place, by one assignment; what cannot be read leaves the old one where it is, and is said once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from otel_genai_cost.errors import GenAICostError

__all__ = ["Watched", "Watcher"]

_logger = logging.getLogger("otel_genai_cost")
_T = TypeVar("_T")
_Stamp = tuple[str, int, int, int] | None


class Watched(Generic[_T]):
    """What `read` returns, current. `paths` are files, or folders of them. `loaded` and `failed` count the readings
    after the first.

    Without `value` the first reading is made here, and raises what `read` raises.
    """

    def __init__(
        self, what: str, read: Callable[[], _T], paths: Iterable[Path], value: _T | None = None
    ) -> None:
        self._what, self._read, self._paths = what, read, tuple(paths)
        self._stamps = _stamps(self._paths)
        self.value: _T = read() if value is None else value
        self.loaded = self.failed = 0

    def refresh(self, keep: Callable[[_T], None] = lambda value: None) -> bool:
        """Read again if a file changed; whether there is a new value. `keep` may store it before anybody sees it."""
        stamps = _stamps(self._paths)
        if stamps == self._stamps:
            return False
        self._stamps = stamps
        try:
            value = self._read()
            keep(value)
        except (GenAICostError, OSError) as error:
            self.failed += 1
            _logger.error(
                "%s changed and cannot be used, the one read before stays in use: %s",
                self._what,
                " | ".join(str(error).splitlines()),
            )
            return False
        self.value = value
        self.loaded += 1
        _logger.info("%s changed and was read again", self._what)
        return True

    def current(self) -> _T:
        """The value after looking whether a file changed."""
        self.refresh()
        return self.value


def _stamps(paths: Sequence[Path]) -> tuple[_Stamp, ...]:
    """What a look at each file tells; None for one that is not there."""
    files: list[Path] = []
    for path in paths:
        files.append(path)
        if path.is_dir():
            files += sorted(path.iterdir())
    return tuple(map(_stamp, files))


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


_EVERY_S: Final = 5.0


class Watcher:
    """Calls `look` every few seconds from a daemon thread, never from a hook. A forked child has none until `start`."""

    def __init__(self, look: Callable[[], object], every_s: float = _EVERY_S) -> None:
        self._look, self._every_s = look, every_s
        self._pid = 0
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread of this process, once."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._stop = threading.Event()
        threading.Thread(
            target=self._run, args=(self._stop,), name="genai-cost-book", daemon=True
        ).start()

    def stop(self) -> None:
        """End the thread soon."""
        self._stop.set()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._every_s):
            self._look()
