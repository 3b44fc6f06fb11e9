"""What a forwarder says that is not well: what, where, and what to do; the same thing at most once a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from otel_genai_cost.errors import Seldom
from otel_genai_cost.forwarding.answer import Answer
from otel_genai_cost.forwarding.folder import Life
from otel_genai_cost.forwarding.wire import Refusal, RefusalReason

__all__ = ["SOON", "Complaints"]

_logger = logging.getLogger("otel_genai_cost")

_REMEDIES: Final[Mapping[RefusalReason | None, str]] = {
    "UNAUTHENTICATED": "give this sender a token that holds: OTEL_GENAI_COST_SHIP_TOKEN or …_TOKEN_FILE",
    "FORBIDDEN": "give this sender a token of its own, and ask for what this receiver can promise "
    "(OTEL_GENAI_COST_DURABILITY)",
    "FULL": "give the receiver's volume more room",
    "FENCED": "an older ledger answers there: stop it, or let OTEL_GENAI_COST_SHIP_TO name the one that took over",
    None: "look whether OTEL_GENAI_COST_SHIP_TO names a `genai-cost agent` or `genai-cost ledger serve` that runs",
}
SOON: Final = frozenset[RefusalReason | None](("HOLE", "BUSY", "UNKNOWN_BOOK"))
"""Of a receiver that is well and will take it."""

_KEPT: Final = "calls stay in the journal and are sent later"


class Complaints:
    """Where journals go, and what was said of it lately.

    Args:
        where: the receiver's address, for messages.
        monotonic_s: the monotonic clock, in seconds.
    """

    def __init__(self, where: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._said = Seldom(64, monotonic_s)
        self._is_well = True

    def refused(self, answer: Answer, refusal: Refusal) -> None:
        """A request was not taken; it is sent again later."""
        self._is_well = False
        why = refusal.reason or (f"HTTP {answer.status}" if answer.status else "no answer")
        remedy = _REMEDIES.get(refusal.reason, "look into its log")
        if refusal.reason in SOON:
            _logger.debug("%s: %s: %s", self._where, why, refusal.message)
            return
        text = "%s does not take the journal (%s: %s); %s; %s"
        self._say(why, text, why, refusal.message, _KEPT, remedy)

    def all_is_well(self) -> None:
        """It takes what it is sent."""
        if not self._is_well:
            self._is_well = True
            _logger.info("%s takes the journal again", self._where)

    def fenced(self, life: Life, before: Life) -> None:
        """An earlier life of the ledger answered."""
        self._is_well = False
        self._say(
            "fenced",
            "%s is ledger %s of epoch %d, and its epoch %d has been seen: an old one answers; %s; stop it, or let "
            "OTEL_GENAI_COST_SHIP_TO name the one that took over",
            life.ledger,
            life.epoch,
            before.epoch,
            _KEPT,
        )

    def changed(self, before: Life, life: Life) -> None:
        """Another ledger, or a later life of it, answers."""
        self._say(
            "changed",
            "%s is ledger %s of epoch %d now, and was %s of epoch %d: what it lacks is sent again",
            life.ledger,
            life.epoch,
            before.ledger,
            before.epoch,
            level=logging.WARNING,
        )

    def lost(self, segment: str, acknowledged: int, have: int) -> None:
        """It has less than it acknowledged.

        Args:
            segment: of which one.
            acknowledged: how many bytes it said that it had.
            have: how many it has.
        """
        self._say(
            "lost",
            "%s has %d bytes of segment %s and had acknowledged %d: its volume came back old; what is still in the "
            "journal is sent again; restore the newest backup if more is missing (`genai-cost coverage`)",
            have,
            segment,
            acknowledged,
        )

    def different(self, segment: str, name: str, refusal: Refusal) -> None:
        """It has other bytes in the place of a segment's.

        Args:
            segment: which.
            name: of the file that it is now; empty while it is written.
            refusal: what the receiver says of it.
        """
        self._say(
            f"different {segment}",
            "%s has other bytes than these of segment %s (%s), which is not sent any more%s; compare both with "
            "`genai-cost journal verify`",
            segment,
            refusal.message,
            f" and is put aside as {name}" if name else "",
        )

    def not_taken(self, segment: str, refusal: Refusal) -> None:
        """It does not take a segment, for what is said of that one: another sender's, for example."""
        self._say(
            f"{refusal.reason} {segment}",
            "%s does not take segment %s (%s: %s), which is tried again in a minute",
            segment,
            refusal.reason,
            refusal.message,
        )

    def unfit(self, what: str, refusal: Refusal) -> None:
        """A part is too large for the receiver, or makes no sense to it."""
        self._say(
            f"unfit {what}",
            "%s does not take %s (%s: %s), which is left out; raise its limit, or upgrade it",
            what,
            refusal.reason,
            refusal.message,
        )

    def failed(self, error: OSError) -> None:
        """The folder cannot be read or written."""
        self._say("folder", "the journal cannot be sent to %s: %s", error)

    def _say(self, kind: str, text: str, *said: object, level: int = logging.ERROR) -> None:
        if self._said.may_say(kind):
            _logger.log(level, text, self._where, *said)
