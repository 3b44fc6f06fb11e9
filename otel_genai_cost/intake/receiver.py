"""What becomes of a request, whichever protocol it came by: its parts are kept, brought onto the disk, and answered."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final, NamedTuple

from otel_genai_cost.errors import Seldom
from otel_genai_cost.forwarding.wire import (
    STATUS_OF,
    Asked,
    BookFile,
    BookOffer,
    Lines,
    Refusal,
    Request,
)
from otel_genai_cost.intake.commits import Round
from otel_genai_cost.intake.replica import RefusedError, Replica
from otel_genai_cost.journal.receiving import RECEIVING
from otel_genai_cost.ledger.storage.identity import Identity

__all__ = ["HEARD", "LOCAL", "RETRY_AFTER_S", "Asking", "Passed", "Receiver", "heard_us"]

_logger = logging.getLogger("otel_genai_cost")

LOCAL: Final = "local"
"""The sender, where nobody has to say who it is."""

RETRY_AFTER_S: Final = 1

HEARD: Final = "heard"
"""In a sender's folder: when it was last heard of, as the file's time."""

_HEARD_EVERY_S: Final = 30.0

Passed = Callable[[Path, int, float], bool]
"""Whether a segment has come further, to the ledger, up to a byte: waited for until a time on the monotonic clock."""


class Asking(NamedTuple):
    """What a request says of itself.

    Attributes:
        sender: whose it is.
        durability: how safe its bytes have to be before they are acknowledged.
        epoch: the highest that its sender has seen of a receiver.
        ledger: of which; empty for this one.
    """

    sender: str
    durability: Asked = "pod"
    epoch: int = 0
    ledger: str = ""


class Receiver:
    """Answers requests. Safe for threads.

    Args:
        replica: where they are kept.
        identity: who answers.
        passed: what is waited for before something is acknowledged as off this node; None for a ledger, which is that.
        timeout_s: how long; less than a sender waits for its answer.

    Attributes:
        replica: where requests are kept.
        identity: who answers.
        answers: how many requests were answered how: `taken`, or by the reason why not.
    """

    def __init__(
        self,
        replica: Replica,
        identity: Identity,
        *,
        passed: Passed | None = None,
        timeout_s: float = 8.0,
    ) -> None:
        self.replica, self.identity = replica, identity
        self._passed, self._timeout_s = passed, timeout_s
        self.answers: Counter[str] = Counter()
        self._lock = Lock()
        self._said = Seldom()

    def answer(self, asking: Asking, request: Request) -> Refusal | None:
        """Keep what a request has.

        Args:
            asking: what it says of itself.
            request: its parts.

        Returns:
            None once all of it is as durable as was asked for; else why not. A part that is refused keeps no other from
            being taken, since a collector puts several senders' together.
        """
        refusals: list[Refusal] = []
        taken: list[tuple[Round | None, Lines]] = []
        if asking.ledger in ("", self.identity.id) and asking.epoch > self.identity.epoch:
            refusals.append(self._fenced(asking.epoch))
        else:
            self._keep(asking, request, refusals, taken)
            refusals += self._brought(asking, taken)
        if refusals:
            return self.refused(asking.sender, _first(refusals))
        self._taken(asking)
        return None

    def refused(self, sender: str, refusal: Refusal) -> Refusal:
        """Count a refusal, and say it, once a minute for a sender and a reason."""
        reason = str(refusal.reason)
        with self._lock:
            self.answers[reason] += 1
            may_say = refusal.reason != "UNKNOWN_BOOK" and self._said.may_say((sender, reason))
        if may_say:
            _logger.warning("refused of sender %s: %s: %s", sender, reason, refusal.message)
        return refusal

    def _taken(self, asking: Asking) -> None:
        with self._lock:
            self.answers["taken"] += 1
        folder = self.replica.folder(asking.sender)
        with suppress(OSError):
            if (folder / RECEIVING).is_dir() and _age_s(folder / HEARD) > _HEARD_EVERY_S:
                (folder / HEARD).touch()

    def _keep(
        self,
        asking: Asking,
        request: Request,
        refusals: list[Refusal],
        taken: list[tuple[Round | None, Lines]],
    ) -> None:
        for part in request.parts:
            try:
                if isinstance(part, BookFile):
                    self.replica.take_book(asking.sender, part)
                elif isinstance(part, BookOffer):
                    self.replica.look_for(asking.sender, part.digest)
                else:
                    taken.append((self.replica.take(asking.sender, part), part))
            except RefusedError as error:
                refusals.append(error.refusal)

    def _brought(
        self, asking: Asking, taken: Sequence[tuple[Round | None, Lines]]
    ) -> list[Refusal]:
        """Wait until all is on the disk, and further if that is asked for."""
        until_s = time.monotonic() + self._timeout_s
        for one, lines in taken:
            if one is None:  # all of it is on the disk already
                continue
            self.replica.commits.wait(one)
            if self.replica.segment(asking.sender, lines.segment) in one.failed:
                return [Refusal("FULL", f"{lines.segment} could not be brought onto the disk")]
        if asking.durability == "node" and self._passed is not None:
            for _, lines in taken:
                segment = self.replica.segment(asking.sender, lines.segment)
                if not self._passed(segment, lines.offset + len(lines.content), until_s):
                    return [Refusal("BUSY", "kept here, and not yet acknowledged by the ledger")]
        return []

    def _fenced(self, epoch: int) -> Refusal:
        own = self.identity.epoch
        return Refusal(
            "FENCED",
            f"this ledger's epoch is {own}, and its sender has seen {epoch}: another one has taken its place; stop "
            "this one, and restore it from that one's backup if it is to be used again",
            {"epoch": str(own)},
        )


def heard_us(folder: Path) -> int | None:
    """When a sender was last heard of, unix microseconds; None where nothing says so.

    Args:
        folder: the sender's.
    """
    try:
        return (folder / HEARD).stat().st_mtime_ns // 1000
    except OSError:
        return None


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _first(refusals: Sequence[Refusal]) -> Refusal:
    """What may be sent again comes before what may not: whoever gives up would give up the rest as well."""
    again = [one for one in refusals if one.reason is not None and STATUS_OF[one.reason] == 503]
    return (again or refusals)[0]
