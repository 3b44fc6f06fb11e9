"""Delivery: what is due is sent, as long as the vendor takes it and remembers what it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from otel_genai_cost.alerts.schedule import DELAYS_S, next_try_us
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.queued import Attempt, Queued
from otel_genai_cost.billing.vendor import DAY_US, Came, Rules, Vendor
from otel_genai_cost.errors import fence
from otel_genai_cost.pricing.instants import rfc3339

__all__ = ["Delivered", "Deliverer", "blocked_reason"]

_logger = logging.getLogger("otel_genai_cost")

_MARGIN_US: Final = 60_000_000
"""A request is on its way for less than that."""

_LOOK_US: Final = 600_000_000
"""How often a vendor that looks at what it accepted is asked what it gave up."""

_LATER_US: Final = 7 * DAY_US
"""For how long an event that was accepted may still be given up."""

_FAILURES_MAX: Final = 3
"""Requests that fail one after the other and are enough of a round."""

_TOGETHER: Final = 100
_TOGETHER_S: Final = 1.0
"""So many events, or requests for so long, are brought to the disk together, where a request has fewer."""

_REMEMBERS_US: Final = DAY_US
"""Only where ids are remembered for so long at least."""

_STATES: Final = {
    "accepted": "accepted",
    "rejected": "rejected",
    "refused": "waiting",
    "unsure": "waiting",
}


class Delivered(NamedTuple):
    """What a round came to, in events."""

    accepted: int = 0
    failed: int = 0
    rejected: int = 0
    blocked: int = 0


def blocked_reason(one: Queued, rules: Rules, now_us: int, latest_us: int) -> str:
    """Why an event may not be sent now; empty if it may. Pure.

    Args:
        one: it.
        rules: of the vendor.
        now_us: the time, unix microseconds.
        latest_us: the latest time that was ever seen, unix microseconds.
    """
    start_us = one.event.start_us
    if rules.past_us is not None and start_us < now_us - rules.past_us + _MARGIN_US:
        return f"older than {rules.title} takes: {_length(rules.past_us)}"
    if start_us > now_us + rules.future_us - _MARGIN_US:
        return f"further ahead than {rules.title} takes: {_length(rules.future_us)}"
    if one.unsure_us is None or rules.remembers_us is None:
        return ""
    if latest_us - one.unsure_us > rules.remembers_us - _MARGIN_US:
        return (
            f"it may have been taken at {rfc3339(one.unsure_us)}, which {rules.title} does not remember any more: "
            "look there, then requeue it, or say that it was taken"
        )
    return ""


def _length(us: int) -> str:
    hours, rest = divmod(us, 3_600_000_000)
    if rest:
        return f"{us // 60_000_000} minutes"
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


class Deliverer:
    """Sends the events of one destination.

    Args:
        outbox: what is due, and where outcomes are noted.
        vendor: where to.
        rules: of the vendor.
        name: of the destination, for messages.
        clock_us: the time, unix microseconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        vendor: Vendor,
        rules: Rules,
        name: str,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._outbox, self._vendor, self._rules = outbox, vendor, rules
        self._name, self._clock_us = name, clock_us
        self._looked_us = self._failures = 0

    def round(self, is_over: Callable[[], bool] = lambda: False) -> Delivered:
        """Send everything that is due, once each, until too many requests fail one after the other.

        Args:
            is_over: whether to stop between two requests.
        """
        begun_us = self._clock_us()
        self._outbox.recover()
        self._unblock()
        done = Delivered()
        self._failures = 0
        while self._goes_on(is_over):
            due = self._outbox.due(begun_us, self._at_once())
            if not due:
                break
            came = self._some(due, is_over)
            done = Delivered(*map(sum, zip(done, came, strict=True)))
        return self._taken_back(done)

    def _goes_on(self, is_over: Callable[[], bool]) -> bool:
        return self._failures < _FAILURES_MAX and not is_over()

    def _at_once(self) -> int:
        """Events whose beginning and outcome are brought to the disk together. A vendor that soon forgets what it took
        gets one request at a time: whatever was begun when a process dies is asked of a person there."""
        remembers_us, batch = self._rules.remembers_us, self._rules.batch
        if remembers_us is not None and remembers_us < _REMEMBERS_US:
            return batch
        return max(_TOGETHER // batch, 1) * batch

    def _unblock(self) -> None:
        """What was blocked and may be sent now: a clock was set right, or the vendor's settings are others."""
        now_us, latest_us = self._times()
        free = [
            Attempt(one.n, "waiting", "", now_us)
            for one in self._outbox.in_state("blocked")
            if not blocked_reason(one, self._rules, now_us, latest_us)
        ]
        if free:
            self._outbox.note(free, now_us)

    def _times(self) -> tuple[int, int]:
        now_us = self._clock_us()
        return now_us, self._outbox.latest(now_us)

    def _some(self, due: Sequence[Queued], is_over: Callable[[], bool]) -> Delivered:
        now_us, latest_us = self._times()
        reasons = {one.n: blocked_reason(one, self._rules, now_us, latest_us) for one in due}
        blocked = [Attempt(n, "blocked", reason) for n, reason in reasons.items() if reason]
        if blocked:
            self._outbox.note(blocked, now_us)
        sent = self._send([one for one in due if not reasons[one.n]], latest_us, is_over)
        return sent._replace(blocked=len(blocked))

    def _send(
        self, due: Sequence[Queued], latest_us: int, is_over: Callable[[], bool]
    ) -> Delivered:
        """Requests one after the other, between one write that says that all of them are begun, and one of what came of
        them. A process that dies in between leaves all of them for perhaps taken."""
        if not due:
            return Delivered()
        self._outbox.begin([one.n for one in due], latest_us)
        came = self._answers(due, is_over)
        now_us = self._clock_us()
        attempts = [self._attempt(one, what, now_us) for one, what in zip(due, came, strict=False)]
        self._outbox.note(attempts, now_us, not_sent=[one.n for one in due[len(came) :]])
        return self._counted(came)

    def _answers(self, due: Sequence[Queued], is_over: Callable[[], bool]) -> list[Came]:
        """What came of events, up to where time was over, too many requests had failed, or the process is to end."""
        until_s, came = time.monotonic() + _TOGETHER_S, list[Came]()
        while len(came) < len(due):
            some = self._ask(due[len(came) : len(came) + self._rules.batch])
            came += some
            outcomes = {one.outcome for one in some}
            is_failed = "accepted" not in outcomes and outcomes != {"rejected"}
            self._failures = self._failures + 1 if is_failed else 0
            if not self._goes_on(is_over) or time.monotonic() > until_s:
                break
        return came

    def _counted(self, came: Sequence[Came]) -> Delivered:
        outcomes = [one.outcome for one in came]
        accepted, rejected = outcomes.count("accepted"), outcomes.count("rejected")
        done = Delivered(accepted, len(came) - accepted - rejected, rejected)
        if done.failed or done.rejected:
            reason = next(one.reason for one in came if one.outcome != "accepted")
            _logger.warning(
                "%s: %d event(s) not taken: %s", self._name, done.failed + done.rejected, reason
            )
        return done

    def _ask(self, due: Sequence[Queued]) -> Sequence[Came]:
        """What came of a request; whatever goes wrong leaves it open whether it was taken. Where all of it was rejected
        for one event, its halves are sent by themselves."""
        came = self._request(due)
        if len(due) > 1 and all(one.outcome == "rejected" for one in came):
            middle = len(due) // 2
            return [*self._ask(due[:middle]), *self._ask(due[middle:])]
        beside = [one for one, what in zip(due, came, strict=True) if what.outcome == "beside"]
        if len(beside) == len(due):
            return [Came("refused", one.reason, one.retry_after_s) for one in came]
        again = iter(self._ask(beside) if beside else ())
        return [next(again) if what.outcome == "beside" else what for what in came]

    def _request(self, due: Sequence[Queued]) -> Sequence[Came]:
        with fence("billing.send"):
            return self._vendor.send([one.event for one in due])
        return [Came("unsure", "no answer; see the log of this process")] * len(due)

    def _attempt(self, one: Queued, came: Came, now_us: int) -> Attempt:
        """The next state of an event. One that may have been taken is tried once more before that is forgotten."""
        state, is_unsure = _STATES[came.outcome], came.outcome == "unsure"
        if state != "waiting":
            return Attempt(one.n, state, came.reason, now_us)
        tries = min(one.tries + 1, len(DELAYS_S))
        due_us = next_try_us(one.event.id, tries, now_us, came.retry_after_s) or now_us
        if (is_unsure or one.unsure_us is not None) and self._rules.remembers_us:
            since_us = now_us if one.unsure_us is None else one.unsure_us
            last_us = since_us + self._rules.remembers_us - 3 * _MARGIN_US
            due_us = min(due_us, last_us) if last_us > now_us else due_us
        return Attempt(one.n, "waiting", came.reason, due_us, is_unsure)

    def _taken_back(self, done: Delivered) -> Delivered:
        """Events that the vendor gave up after it had accepted them."""
        now_us = self._clock_us()
        if not self._rules.later or abs(now_us - self._looked_us) < _LOOK_US:
            return done
        self._looked_us = now_us
        accepted = self._outbox.accepted_since(now_us - _LATER_US)
        recent = {one.event.id: one for one in accepted}
        reasons: dict[str, str] = {}
        with fence("billing.rejected_later"):
            reasons.update(self._vendor.rejected_later(recent))
        found = [
            Attempt(recent[one].n, "rejected", reason)
            for one, reason in reasons.items()
            if one in recent
        ]
        if found:
            self._outbox.note(found, self._clock_us())
        return done._replace(rejected=done.rejected + len(found))
