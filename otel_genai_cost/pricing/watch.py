"""A value that is read from files, and read again when they change: prices and contracts without a restart.

A change is seen by a file's inode, size and time. A file that people write is read when it looks the same twice: nobody
is writing to it any more; one that is only ever put whole in the place of the one before is read at once. The new value
is read and checked whole before it takes the old one's place, by one assignment; what cannot be read leaves the old one
where it is, and is said once.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Generic, NoReturn, TypeVar

from otel_genai_cost.errors import GenAICostError

__all__ = ["Watched", "Watcher", "raise_at_once", "reloads"]

_logger = logging.getLogger("otel_genai_cost")
_T = TypeVar("_T")
_LINE_LIMIT: Final = 500
_Stamp = tuple[str, int, int, int] | None


def raise_at_once(error: GenAICostError) -> NoReturn:
    """What a first reading raises is the caller's to handle.

    Args:
        error: it.
    """
    raise error


reloads: dict[str, int] = {}
"""How often files were read again in this process, by outcome `loaded` or `failed`; metrics read it."""


def _count(outcome: str) -> None:
    reloads[outcome] = reloads.get(outcome, 0) + 1


class Watched(Generic[_T]):
    """A value that is read from files, and read again when they change. The first reading is made here.

    Args:
        what: it is, for messages.
        read: makes the value.
        paths: files, or folders of them.
        instead: is called with what the first reading raises, and gives a value for the time being or raises.
        at_once: whether the files are only ever replaced, whole.
    """

    def __init__(
        self,
        what: str,
        read: Callable[[], _T],
        paths: Iterable[Path],
        instead: Callable[[GenAICostError], _T] = raise_at_once,
        *,
        at_once: bool = False,
    ) -> None:
        self._what, self._read, self._paths, self._at_once = what, read, tuple(paths), at_once
        self._stamps = self._seen = _stamps(self._paths)
        try:
            self.value = read()
        except GenAICostError as error:
            self.value = instead(error)

    def refresh(self, keep: Callable[[_T], None] = lambda value: None) -> bool:
        """Read again if a file changed; whether there is a new value. `keep` may store it before anybody sees it."""
        stamps, seen = _stamps(self._paths), self._seen
        self._seen = stamps
        if stamps == self._stamps or not (self._at_once or stamps == seen):
            return False
        try:
            value = self._read()
            keep(value)
        except (GenAICostError, OSError) as error:
            self._stamps = stamps
            _count("failed")
            _logger.error(
                "%s changed and cannot be used, what was read before stays in use: %s",
                self._what,
                _one_line(error),
            )
            return False
        # In this order: who asks in another thread meanwhile reads too, instead of taking the old value for the new.
        self.value = value
        self._stamps = stamps
        _count("loaded")
        _logger.info("%s changed and was read again", self._what)
        return True

    def current(self) -> _T:
        """The value, after a look whether a file changed."""
        self.refresh()
        return self.value


def _one_line(error: Exception) -> str:
    """The first of the problems; a broken file may have thousands."""
    first, *more = str(error).splitlines() or [""]
    return first[:_LINE_LIMIT] + (f" (and {len(more)} more)" if more else "")


def _stamps(paths: Sequence[Path]) -> tuple[_Stamp, ...]:
    """What a look at each file finds; None for one that is not there."""
    files: list[Path] = []
    for path in paths:
        files.append(path)
        with suppress(OSError):  # no folder, or no longer
            files += sorted(path.iterdir())
    return tuple(map(_stamp, files))


def _stamp(path: Path) -> _Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


class Watcher:
    """Calls `look` every few seconds from a daemon thread, never from a hook. A forked child has none until `start`."""

    def __init__(self, look: Callable[[], object], every_s: float) -> None:
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
