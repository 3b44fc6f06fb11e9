"""Orb: events by its own library; its metrics sum the numeric property `quantity`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Final, cast

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import DAY_US, Asked, Came, Rules, by_day
from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.billing.answers import (
    TIMEOUT_S,
    asking,
    came_of_call,
    decimals,
    http_client,
    known_url,
    unknown_settings,
)

try:
    import orb
except ImportError:
    raise MissingExtraError("Orb", "orb-billing", "billing") from None

__all__ = ["Orb"]

_KNOWN: Final = ("url", "metrics")


class Orb:
    """Sends to Orb; customers are external customer ids.

    Settings: `metrics`, for `verify`: the id of the billable metric of each meter; `url`.

    Args:
        settings: of the destination.
        key: the API key.
    """

    rules: ClassVar[Rules] = Rules(
        title="Orb",
        library="orb-billing",
        batch=200,
        past_us=DAY_US // 2,
        future_us=300_000_000,
        remembers_us=DAY_US // 2,
        decimals=9,
        verify="daily usage of the customer's subscriptions, of the metrics that `metrics` names",
        notes="`past` and `remembers` must be your account's grace period; later usage needs a backfill at Orb's; a "
        "quantity is a JSON number, so it may have 15 digits",
    )

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        self._client = orb.Orb(
            api_key=key,
            base_url=settings.get("url"),
            timeout=TIMEOUT_S,
            max_retries=0,
            http_client=http_client(),
        )
        self._metrics: Mapping[str, str] = settings.get("metrics", {})

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        return [*unknown_settings(settings, _KNOWN), *known_url(settings)]

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events. Where one fails its validation, none is taken, and Orb says which it is."""
        numbers = [_number(one) for one in events]
        if None in numbers:
            what = "a quantity of more than 15 digits; give the meter a larger unit"
            return [Came("rejected", what) if n is None else Came("beside") for n in numbers]
        bodies = [_body(one, number) for one, number in zip(events, numbers, strict=True)]
        came, answer = came_of_call(orb, lambda: self._client.events.ingest(events=bodies))
        return _named(events, came, answer)

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """None: what it accepted is valid."""
        return {}

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """The usage of the meter's metric by the customer's subscriptions."""
        with asking(self.rules.title, orb.OrbError):
            found = self._client.subscriptions.list(external_customer_id=[asked.customer])
            return by_day(day for one in found for day in self._of_subscription(one.id, asked))

    def _of_subscription(self, subscription: str, asked: Asked) -> Iterator[tuple[int, int]]:
        answer = self._client.subscriptions.with_raw_response.fetch_usage(
            subscription,
            billable_metric_id=self._metrics.get(asked.meter, asked.meter),
            granularity="day",
            timeframe_start=rfc3339(asked.from_us),
            timeframe_end=rfc3339(asked.to_us),
            view_mode="periodic",
        )
        for one in decimals(answer.text)["data"]:
            for day in one["usage"]:
                yield microseconds(day["timeframe_start"]), parse_money(day["quantity"])

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _number(event: UsageEvent) -> float | int | None:
    """The quantity as a number of JSON's; None if that cannot hold every digit."""
    exact = Decimal(event.value)
    if exact == exact.to_integral_value():
        return int(exact)
    number = float(exact)
    return number if Decimal(repr(number)) == exact else None


def _body(event: UsageEvent, number: float | int | None) -> Any:
    return {
        "idempotency_key": event.id,
        "external_customer_id": event.customer,
        "event_name": event.meter,
        "timestamp": rfc3339(event.start_us),
        "properties": {**event.properties, "quantity": number},
    }


def _named(events: Sequence[UsageEvent], came: Came, body: object) -> list[Came]:
    """What came of each event, where an answer names those that failed."""
    answer = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    failed = answer.get("validation_failed")
    if came.outcome != "rejected" or not failed:
        return [came] * len(events)
    reasons: dict[str, str] = {
        one["idempotency_key"]: "; ".join(one["validation_errors"]) for one in failed
    }
    return [
        Came("rejected", reasons[one.id]) if one.id in reasons else Came("beside") for one in events
    ]
