"""What of its journals a ledger has for good: said beside the segments, so that their writers may delete them when they
need room, or deleted at once where that is asked for.

A segment with lines that cannot be read is not had, and stays until somebody has repaired it. Every deletion is counted
beside the ledger, whoever did it: from then on the ledger cannot be rebuilt from its journal.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from otel_genai_cost.errors import GenAICostError, LedgerError
from otel_genai_cost.journal.ingested import MARKS, has_mark, mark, marked, unmark
from otel_genai_cost.journal.receiving import with_senders
from otel_genai_cost.journal.repair import inspect_segment, retire
from otel_genai_cost.ledger.storage.cursors import Cursor, Cursors
from otel_genai_cost.ledger.storage.keeping import RESTORE, note_retired

__all__ = ["Retention", "has_whole", "refuse_holes", "unmark_all"]

_logger = logging.getLogger("otel_genai_cost")


def has_whole(cursor: Cursor, size_bytes: int) -> bool:
    """Whether a ledger has every line of a segment that is that long, and nothing can follow."""
    if not cursor.finished:
        return False
    if not cursor.damaged:
        return size_bytes == cursor.byte_offset
    try:  # a repaired one is shorter than it was when it was read
        return not inspect_segment(Path(cursor.path)).damage
    except (OSError, GenAICostError):
        return False


def refuse_holes(home: Path, journals: Iterable[Path]) -> None:
    """Refuse to make a new ledger of journals that their writers have deleted from, since an earlier one had it.

    Args:
        home: the ledger's folder.
        journals: the folders of segments.

    Raises:
        LedgerError: if a marked segment is gone.
    """
    for folder in with_senders(journals):
        gone = _gone(folder)
        if gone:
            raise LedgerError(
                f"there is no ledger in {home}, and {len(gone)} segment(s) that an earlier one had are gone from "
                f"{folder}, so a new one would lack their calls; {RESTORE}, or remove {folder / MARKS} to begin "
                "without them"
            )


def unmark_all(journals: Iterable[Path]) -> None:
    """Take back what an earlier ledger said of segments that are there: the one in its place may not have them."""
    for folder in with_senders(journals):
        for segment in list(marked(folder)):
            if segment.exists():
                unmark(segment)


class Retention:
    """One writer's care for its journals.

    Args:
        home: the ledger's folder.
        ledger_id: the ledger's, for its marks.
        cursors: how far each segment is ingested.
        journals: the folders of segments.
        deletes: whether a segment is deleted as soon as the ledger has it.
    """

    def __init__(
        self,
        home: Path,
        ledger_id: str,
        cursors: Cursors,
        journals: Sequence[Path],
        *,
        deletes: bool,
    ) -> None:
        self._home, self._id, self._cursors = home, ledger_id, cursors
        self._journals, self._deletes = tuple(journals), deletes
        self._places = frozenset(journals)
        self._marked: set[Path] = set()
        self._kept: set[tuple[Path, int]] = set()
        self._unwritable: set[Path] = set()

    def begin(self) -> None:
        """Compare what is marked with what this ledger has: it may have been restored, or be another."""
        lacking = 0
        for segment in [one for folder in with_senders(self._journals) for one in marked(folder)]:
            has, is_there = self._cursors.of(str(segment)).finished, segment.exists()
            if has:
                self._marked.add(segment)
            elif is_there:
                unmark(segment)
            lacking += not has and not is_there
        if lacking:
            _logger.error(
                "%d journal segment(s) that another ledger had are gone, and this one lacks their calls: it was "
                "restored from an older backup, or two ledgers read one journal",
                lacking,
            )

    def put_away(self, segment: Path, cursor: Cursor) -> None:
        """Mark a finished segment, or delete it."""
        if segment in self._marked and not self._deletes:
            return
        if self._places.isdisjoint((segment.parent, segment.parent.parent)):
            return
        try:
            size_bytes = segment.stat().st_size
            if (segment, size_bytes) in self._kept:
                return
            if not has_whole(cursor, size_bytes):
                self._keep(segment, size_bytes)
            elif self._deletes:
                self._delete(segment)
            else:
                mark(segment, size_bytes, self._id)
                self._marked.add(segment)
        except FileNotFoundError:  # its writer needed the room
            return
        except OSError as error:
            self._say_unwritable(segment.parent, error)

    def count_gone(self, listed: Collection[Path]) -> None:
        """Count the marked segments that their writers have deleted.

        Args:
            listed: the segments that there are.
        """
        gone = {one for one in self._marked.difference(listed) if not one.exists()}
        counted = [segment for segment in gone if has_mark(segment)]  # `prune` counts its own
        if counted:
            note_retired(self._home, len(counted))
        for segment in counted:
            unmark(segment)
        self._marked -= gone

    def _delete(self, segment: Path) -> None:
        note_retired(self._home)
        retire(segment)
        unmark(segment)

    def _keep(self, segment: Path, size_bytes: int) -> None:
        self._kept.add((segment, size_bytes))
        _logger.warning(
            "%s stays, whatever room is needed: not all of it could be read; `genai-cost journal verify` says where, "
            "`genai-cost journal repair` puts that aside",
            segment,
        )

    def _say_unwritable(self, folder: Path, error: OSError) -> None:
        if folder not in self._unwritable:
            self._unwritable.add(folder)
            _logger.error(
                "what this ledger has of the journal in %s cannot be noted or deleted there (%s), so that it fills "
                "up; run it as the applications' user, or let them write for a group: "
                "OTEL_GENAI_COST_JOURNAL_ACCESS=group",
                folder,
                error,
            )


def _gone(folder: Path) -> list[Path]:
    return [segment for segment in marked(folder) if not segment.exists()]
