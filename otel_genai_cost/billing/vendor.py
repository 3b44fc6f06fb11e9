"""The port: a billing system, what it takes and how long it remembers, and what came of sending."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, TypeAlias, cast

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.plug_ins import plug_in

__all__ = [
    "DAY_US",
    "GROUP",
    "Asked",
    "Came",
    "Cancelling",
    "Outcome",
    "Rules",
    "Vendor",
    "VendorType",
    "by_day",
    "vendor_type",
]

GROUP: Final = "otel_genai_cost.billing"
DAY_US: Final = 86_400_000_000

Outcome: TypeAlias = Literal["accepted", "refused", "rejected", "beside", "unsure"]
"""`accepted`: it counts, now or before. `refused`: it surely does not count, and is tried again. `rejected`: it never
will, as it stands. `beside`: it does not count because of one that was rejected, and is sent again at once. `unsure`:
it may count, and is tried again under the same id while the vendor remembers that."""


class Came(NamedTuple):
    """What came of sending an event.

    Attributes:
        outcome: see `Outcome`.
        reason: a line for people.
        retry_after_s: what the vendor asked for.
    """

    outcome: Outcome
    reason: str = ""
    retry_after_s: int | None = None


class Asked(NamedTuple):
    """Whose usage by which meter: of at most 31 whole days of UTC, in [from, to) unix microseconds."""

    customer: str
    meter: str
    from_us: int
    to_us: int


class Rules(NamedTuple):
    """What a billing system documents of its intake. Times are in microseconds.

    Attributes:
        title: its name.
        library: the distribution that speaks to it.
        batch: events of a request.
        past_us: how far back an event may lie; None for any time.
        future_us: how far ahead.
        remembers_us: for how long an id that came twice counts once; None for ever, 0 not at all.
        decimals: of a quantity.
        negative: whether it takes negative quantities; where it does not, corrections that lower are listed.
        lowering: what becomes of a quantity that lowers, as documented.
        later: whether it looks at what it accepted, and may then give it up.
        cancels_us: for how long after it took an event it can cancel it; None if it can't.
        verify: where `verify` has its quantities from; empty where it cannot be asked.
        notes: what else people must know.
    """

    title: str
    library: str
    batch: int
    past_us: int | None
    future_us: int
    remembers_us: int | None
    decimals: int = 18
    negative: bool = True
    lowering: str = "not documented: try it, or list it by `negative = false`"
    later: bool = False
    cancels_us: int | None = None
    verify: str = ""
    notes: str = ""


class Vendor(Protocol):
    """A connection to a billing system. What it raises is taken for `unsure`."""

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events once, in one request if the vendor takes several.

        Args:
            events: at most `Rules.batch`.

        Returns:
            What came of each, in the same order.
        """
        ...

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """Of events that were accepted, those that the vendor gave up when it looked at them: id and reason."""
        ...

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """What the vendor has of it, in 1e-18 of the meter's unit, by the day's beginning (unix microseconds); a day
        without any may be left out.

        Raises:
            VendorError: if it does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of whatever it holds."""
        ...


class Cancelling(Protocol):
    """What a connection to a vendor can do, too, whose rules have `cancels_us`."""

    def cancel(self, event: UsageEvent) -> Came:
        """Have an event that was accepted not count any more."""
        ...


class VendorType(Protocol):
    """A kind of billing system, as the entry point gives it."""

    rules: ClassVar[Rules]

    def __call__(self, settings: Mapping[str, Any], key: str) -> Vendor:
        """A connection.

        Args:
            settings: of the destination, without what every destination has.
            key: with which we are known; empty where none is needed.
        """
        ...

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        ...


def by_day(found: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Sums by the day that times are in.

    Args:
        found: times, unix microseconds, and quantities.
    """
    sums: dict[int, int] = {}
    for us, quantity in found:
        day_us = us - us % DAY_US
        sums[day_us] = sums.get(day_us, 0) + quantity
    return sums


def vendor_type(name: str) -> VendorType:
    """The billing system of that name.

    Raises:
        ConfigurationError: if there is none.
        MissingExtraError: if its library is not installed.
    """
    return cast("VendorType", plug_in(GROUP, name, "billing system"))
