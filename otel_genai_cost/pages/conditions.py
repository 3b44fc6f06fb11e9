"""How the metering itself is: what the commands `coverage`, `sinks list` and `doctor` say, as pages ask for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from otel_genai_cost.intake.unshipped import Waiting
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.selection import Selection

__all__ = ["Behind", "Conditions", "Finding", "no_conditions"]


class Finding(NamedTuple):
    """What `doctor` found: its name, how it is (`ok`, `warning`, `failure`), what was seen, and what to do."""

    name: str
    state: str
    seen: str
    remedy: str


class Behind(NamedTuple):
    """How far the books are behind.

    Attributes:
        lag_us: for how long something has waited to be booked.
        waiting: what of the journals is not in the ledger.
        unsettled: observations that are in it, and not settled.
        oldest_us: when the oldest call of them ended, unix microseconds; None without any.
    """

    lag_us: int
    waiting: Waiting
    unsettled: int
    oldest_us: int | None


class Conditions(NamedTuple):
    """Asks the commands' own functions.

    Attributes:
        coverage: of a period, what, its figure and what that means.
        copies: how far each sink is, as `sinks list --json` says.
        findings: of `doctor`, and when it looked (unix microseconds); None while it looks for the first time.
        behind: how far the books are behind.
    """

    coverage: Callable[[Ledger, Queryable, Selection], Sequence[tuple[str, str, str]]]
    copies: Callable[[], Sequence[Mapping[str, Any]]]
    findings: Callable[[], tuple[Sequence[Finding], int] | None]
    behind: Callable[[Ledger], Behind]


def no_conditions() -> Conditions:
    """Where nobody asks."""

    def coverage(
        ledger: Ledger, store: Queryable, selection: Selection
    ) -> Sequence[tuple[str, str, str]]:
        return ()

    def behind(ledger: Ledger) -> Behind:
        return Behind(0, Waiting(0, 0.0, 0), 0, None)

    return Conditions(coverage, copies=tuple, findings=lambda: None, behind=behind)
