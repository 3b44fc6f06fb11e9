"""The billing systems of the contract: each with its stand-in, over real HTTP and by the vendor's own library."""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.meter import Meter
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.queued import Queued
from otel_genai_cost.billing.serving import Round, run
from otel_genai_cost.billing.vendor import Rules, vendor_type
from otel_genai_cost.testing.standin.billing import (
    BillingStandIn,
    LagoClickHouseStandIn,
    LagoStandIn,
    MetronomeStandIn,
    OpenMeterStandIn,
    OrbStandIn,
    StripeStandIn,
    WebhookStandIn,
)
from tests.billing.ledgers import DAY_US, FIRST_US, HOUR_US

__all__ = ["KEY", "METERS", "VENDORS", "Case", "Clock", "Stage", "stage"]

_GRACE_US: Final = 20 * DAY_US
KEY: Final = f"whsec_{base64.b64encode(bytes(32)).decode()}"
METERS: Final = (
    Meter("genai_cost", "price", currency="USD", by=("feature",)),
    Meter("genai_tokens", "tokens"),
)


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, us: int) -> None:
        self.us = us

    def __call__(self) -> int:
        """Unix microseconds."""
        return self.us


class Case(NamedTuple):
    """A vendor, its stand-in, and the settings of a destination."""

    vendor: str
    standin: Callable[[Clock, str], BillingStandIn]
    settings: Callable[[str], Mapping[str, Any]]
    unit: int = 10**18
    name: str = ""
    changes: Mapping[str, Any] = {}


def _orb(clock: Clock, key: str) -> OrbStandIn:
    return OrbStandIn(clock, key, grace_us=_GRACE_US)


def _stripe(url: str) -> dict[str, Any]:
    ids = {meter.name: f"mtr_{meter.name}" for meter in METERS}
    return {"url": url, "stream_url": url, "meter_ids": ids}


VENDORS: Final = (
    Case("metronome", MetronomeStandIn, lambda url: {"url": url}),
    Case(
        "orb",
        _orb,
        lambda url: {"url": url},
        changes={"past_us": _GRACE_US, "remembers_us": _GRACE_US},
    ),
    Case("stripe", StripeStandIn, _stripe, 10**9),
    Case("stripe-stream", StripeStandIn, _stripe, 10**9),
    Case("openmeter", OpenMeterStandIn, lambda url: {"url": url}),
    Case("lago", LagoStandIn, lambda url: {"url": url}),
    Case("lago", LagoClickHouseStandIn, lambda url: {"url": url}, name="lago-clickhouse"),
    Case("webhook", WebhookStandIn, lambda url: {"url": url}),
)


class Connected:
    """A kind of vendor whose connections last: to read the authorities of certificates takes longer than a round."""

    def __init__(self, vendor: str) -> None:
        self._kind = vendor_type(vendor)
        self.rules = self._kind.rules
        self._open: dict[str, Any] = {}

    def __call__(self, settings: Mapping[str, Any], key: str) -> Any:
        if key not in self._open:
            self._open[key] = self._kind(settings, key)
        return _Lasting(self._open[key])

    def problems(self, settings: Mapping[str, Any]) -> list[str]:
        return self._kind.problems(settings)

    def close(self) -> None:
        for one in self._open.values():
            one.close()


class _Lasting:
    def __init__(self, vendor: Any) -> None:
        self.send, self.quantities = vendor.send, vendor.quantities
        self.rejected_later = vendor.rejected_later

    def close(self) -> None:
        """Later."""


class Stage(NamedTuple):
    """A ledger's folder, a destination, and the stand-in that it leads to."""

    home: Path
    destination: Destination
    standin: BillingStandIn
    clock: Clock
    kind: Any

    def run(self) -> Round:
        """One round."""
        (done,) = run(
            self.home, [self.destination], clock_us=self.clock, kinds=lambda name: self.kind
        )
        return done

    def settled(self) -> Round:
        """Rounds until nothing waits, two hours after one another."""
        for _ in range(40):
            done = self.run()
            if not self.in_state("waiting"):
                return done
            self.clock.us += 2 * HOUR_US
        raise AssertionError("it never settles")

    def in_state(self, state: str) -> list[Queued]:
        """Events of a state."""
        with closing(connect(self.home)) as db:
            return Outbox(db, self.destination.name).in_state(state)

    @property
    def rules(self) -> Rules:
        """Of the vendor, for this account."""
        return self.destination.rules(self.kind.rules)

    def has(self, customer: str, meter: str = "genai_cost") -> Decimal:
        """What the stand-in would bill a customer for all of the time."""
        return self.standin.quantity(customer, meter, 0, FIRST_US + 400 * DAY_US)


@contextmanager
def stage(home: Path, case: Case, **changes: Any) -> Generator[Stage]:
    """A stage on the morning of the second day."""
    clock = Clock(FIRST_US + DAY_US + 9 * HOUR_US)
    (home / "key").write_text(KEY)
    with case.standin(clock, KEY) as standin:
        meters = tuple(one._replace(unit=case.unit) for one in METERS[:1]) + METERS[1:]
        destination = Destination(
            name=case.vendor,
            vendor=case.vendor,
            from_us=FIRST_US - 100 * DAY_US,
            window_us=HOUR_US,
            delay_us=600_000_000,
            meters=meters,
            names_tenants=True,
            key=f"file:{home / 'key'}",
            settings=case.settings(standin.url),
        )._replace(**{**case.changes, **changes})
        kind = Connected(case.vendor)
        assert not kind.problems(destination.settings)
        yield Stage(home, destination, standin, clock, kind)
        kind.close()
