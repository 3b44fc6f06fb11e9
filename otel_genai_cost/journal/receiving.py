"""Segments that come from other machines, and have not come whole: noted beside them, so that nobody takes them for
finished.

A writer on this machine holds a lock for as long as it lives. Of one elsewhere there is only what it has sent, and
whoever receives it may be down meanwhile; so that more is to come has to stand on the disk. Each sender has a folder of
its own in the journal's, which is an ordinary journal's folder beside that: a mark in `receiving/` of a segment's name
says that it is not finished.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["RECEIVING", "is_receivers", "is_receiving", "mark_place", "senders", "with_senders"]

RECEIVING: Final = "receiving"
"""The folder of the marks, in a sender's folder: a folder that has none is no sender's."""


def mark_place(segment: Path) -> Path:
    """Where the mark of a segment is, if it has one."""
    return segment.parent / RECEIVING / segment.stem


def is_receiving(segment: Path) -> bool:
    """Whether more of a segment is to come from its sender."""
    return mark_place(segment).exists()


def is_receivers(folder: Path) -> bool:
    """Whether a receiver writes into a folder; not where one may not look."""
    try:
        return (folder / RECEIVING).is_dir()
    except OSError:
        return False


def senders(folder: Path) -> list[Path]:
    """The folders of senders in a journal's folder; nothing where one may not look."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
    except OSError:
        return []
    return [folder / name for name in names if is_receivers(folder / name)]


def with_senders(folders: Iterable[Path]) -> tuple[Path, ...]:
    """Folders of journals, each followed by those of its senders as they are now; each once."""
    return tuple(dict.fromkeys(one for folder in folders for one in (folder, *senders(folder))))
