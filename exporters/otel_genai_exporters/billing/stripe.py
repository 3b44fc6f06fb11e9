"""Stripe: meter events, one a call (v1) or a stream of up to 100 a request (v2), by its own library."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import DAY_US, Asked, Came, Rules, by_day
from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.billing.answers import (
    TIMEOUT_S,
    asking,
    came_of_error,
    came_of_status,
    decimals,
    known_url,
    unknown_settings,
)

try:
    import stripe
except ImportError:
    raise MissingExtraError("Stripe", "stripe", "billing") from None

__all__ = ["StripeMeterEventStream", "StripeMeterEvents"]

_KNOWN: Final = ("url", "stream_url", "meter_ids", "customer_key", "value_key")
_KNOWN_ID: Final = "already exists with identifier"
"""What v1 answers to an id that it has."""

_REPORT: Final = "v1.billing.meter.error_report_triggered"
_ENDED: Final = "the session has ended"
_SESSION_S: Final = 14 * 60
"""Shorter than a session is valid: a request is on its way for a while."""

_NOTES: Final = (
    "takes whole numbers only, so money needs a `unit`; the meter's "
    "customer and value keys are `stripe_customer_id` and `value` unless `customer_key` and `value_key` name others"
)


class _Stripe:
    """What both ways have in common.

    Args:
        settings: of the destination.
        key: the secret key.
    """

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        self._http = stripe.RequestsClient(timeout=TIMEOUT_S)
        self._addresses = {
            name: settings[setting]
            for name, setting in (("api", "url"), ("meter_events", "stream_url"))
            if setting in settings
        }
        self._client = self._connected(key)
        self._meter_ids: Mapping[str, str] = settings.get("meter_ids", {})
        self._customer_key = str(settings.get("customer_key", "stripe_customer_id"))
        self._value_key = str(settings.get("value_key", "value"))

    def _connected(self, key: str) -> Any:
        addresses: Any = self._addresses
        return stripe.StripeClient(
            key, base_addresses=addresses, max_network_retries=0, http_client=self._http
        )

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        return [*unknown_settings(settings, _KNOWN), *known_url(settings)]

    def _payload(self, event: UsageEvent) -> dict[str, str]:
        keys = {self._customer_key: event.customer, self._value_key: event.value}
        return {**event.properties, **keys}

    def cancel(self, event: UsageEvent) -> Came:
        """Have Stripe cancel an event that it received within 24 hours."""
        asked: Any = {
            "event_name": event.meter,
            "type": "cancel",
            "cancel": {"identifier": event.id},
        }
        return _came(lambda: self._client.v1.billing.meter_event_adjustments.create(asked))

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """Events that a report names, of those that Stripe looked at after it had taken them."""
        found: dict[str, str] = {}
        for meter in self._meter_ids.values():
            for error_type in self._reported(meter):
                for sample in error_type["sample_errors"]:
                    one = sample["request"]["identifier"]
                    if one in ids:
                        found[one] = f"{error_type['code']}: {sample['error_message']}"
        return found

    def _reported(self, meter: str) -> Iterator[Any]:
        asked: Any = {"object_id": meter, "types": [_REPORT], "limit": 100}
        for event in self._client.v2.core.events.list(asked).auto_paging_iter():
            whole = self._client.v2.core.events.retrieve(event.id)
            yield from whole.data["reason"]["error_types"]

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """What the summaries of the meter that `meter_ids` names have."""
        meter = self._meter_ids.get(asked.meter, asked.meter)
        with asking("Stripe", stripe.StripeError):
            answer = self._client.raw_request(
                "get",
                f"/v1/billing/meters/{meter}/event_summaries",
                customer=asked.customer,
                start_time=asked.from_us // 1_000_000,
                end_time=asked.to_us // 1_000_000,
                value_grouping_window="day",
                limit=100,
            )
            return by_day(
                (one["start_time"] * 1_000_000, parse_money(one["aggregated_value"]))
                for one in decimals(answer.body)["data"]
            )

    def close(self) -> None:
        """Close its connections."""
        close: Any = self._http.close
        close()


class StripeMeterEvents(_Stripe):
    """Sends by v1, an event a call.

    Settings: `meter_ids`, for `verify` and late errors: the id of each meter at Stripe; `customer_key`, `value_key`,
    `url`.
    """

    rules: ClassVar[Rules] = Rules(
        title="Stripe meter events",
        library="stripe",
        batch=1,
        past_us=35 * DAY_US,
        future_us=300_000_000,
        remembers_us=DAY_US,
        decimals=0,
        later=True,
        cancels_us=DAY_US,
        lowering="taken; a cycle whose sum is negative is billed as 0",
        verify="daily event summaries of the meters that `meter_ids` names",
        notes=_NOTES,
    )

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events, one after the other."""
        return [self._sent(one) for one in events]

    def _sent(self, event: UsageEvent) -> Came:
        asked: Any = {
            "event_name": event.meter,
            "identifier": event.id,
            "payload": self._payload(event),
            "timestamp": event.start_us // 1_000_000,
        }
        came = _came(lambda: self._client.v1.billing.meter_events.create(asked))
        is_known = came.outcome == "rejected" and _KNOWN_ID in came.reason
        return Came("accepted") if is_known else came


class StripeMeterEventStream(_Stripe):
    """Sends by the stream of v2, which looks at events after it has taken them.

    Settings: as of v1, and `stream_url`.

    Args:
        settings: of the destination.
        key: the secret key.
        monotonic_s: a clock that is never set, seconds.
    """

    rules: ClassVar[Rules] = StripeMeterEvents.rules._replace(
        title="Stripe meter event stream",
        batch=100,
        notes=_NOTES
        + "; its reports of invalid events name samples: `verify` shows whether that was all",
    )

    def __init__(
        self,
        settings: Mapping[str, Any],
        key: str,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, key)
        self._monotonic_s = monotonic_s
        self._session: Any = None
        self._until_s = 0.0

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events in a request; a session that ended is begun anew."""
        came = _came(lambda: self._stream(events))
        if came.reason == _ENDED:
            self._session = None
            came = _came(lambda: self._stream(events))
        return [came] * len(events)

    def _stream(self, events: Sequence[UsageEvent]) -> None:
        if self._session is None or self._monotonic_s() > self._until_s:
            token = self._client.v2.billing.meter_event_session.create().authentication_token
            self._session = self._connected(token)
            self._until_s = self._monotonic_s() + _SESSION_S
        asked: Any = {
            "events": [
                {
                    "event_name": one.meter,
                    "identifier": one.id,
                    "payload": self._payload(one),
                    "timestamp": rfc3339(one.start_us),
                }
                for one in events
            ]
        }
        self._session.v2.billing.meter_event_stream.create(asked)


def _came(call: Callable[[], object]) -> Came:
    """What came of a call of Stripe's library."""
    try:
        call()
    except stripe.TemporarySessionExpiredError:
        return Came("refused", _ENDED)
    except stripe.APIConnectionError as error:
        return came_of_error(error)
    except stripe.StripeError as error:
        if error.http_status is None:
            return Came("unsure", f"{type(error).__name__}: {error}")
        return came_of_status(error.http_status, str(error), error.headers or {})
    return Came("accepted")
