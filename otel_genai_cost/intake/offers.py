"""Whose turn it is to send a price book that many offer: one sends it, the others are told to ask again."""

from __future__ import annotations

from threading import Lock
from typing import Final

__all__ = ["Offers"]

_TURN_S: Final = 10.0
"""As long as a sender waits for an answer: who has not sent it by then is gone."""

_KNOWN_MAX: Final = 4_096


class Offers:
    """Turns to send. Safe for threads.

    A sender that takes its turn and sends nothing holds others up for one turn: then it is theirs as well.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._turns: dict[tuple[str, str], float] = {}
        self._asked: dict[tuple[str, str], float] = {}

    def take(self, sender: str, digest: str, now_s: float) -> bool:
        """Whether it is a sender's turn; nobody of the same name gets one meanwhile.

        Args:
            sender: who offers it.
            digest: of the book.
            now_s: the time, on a clock that may be set.
        """
        own = (digest, sender)
        with self._lock:
            self._make_room(now_s)
            if _is_recent(self._turns.get(own), now_s):
                return False
            asked_s = self._asked.setdefault(own, now_s)
            waits = _is_recent(asked_s, now_s)
            if waits and any(
                book == digest and _is_recent(at_s, now_s)
                for (book, _), at_s in self._turns.items()
            ):
                return False
            self._turns[own] = now_s
            return True

    def give_up(self, sender: str, digest: str) -> None:
        """What a sender had to send has come, or was refused."""
        with self._lock:
            self._turns.pop((digest, sender), None)
            self._asked.pop((digest, sender), None)

    def _make_room(self, now_s: float) -> None:
        """Forget turns that are over, where many are known: somebody makes digests up."""
        for known in (self._turns, self._asked):
            if len(known) > _KNOWN_MAX:
                for one in [each for each, at_s in known.items() if not _is_recent(at_s, now_s)]:
                    del known[one]
            if len(known) > _KNOWN_MAX:
                known.clear()


def _is_recent(at_s: float | None, now_s: float) -> bool:
    return at_s is not None and 0 <= now_s - at_s < _TURN_S
