"""Metronome: usage events by its own library; its billable metrics sum the property `quantity`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

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
    import metronome
except ImportError:
    raise MissingExtraError("Metronome", "metronome-sdk", "billing") from None

__all__ = ["Metronome"]

_KNOWN: Final = ("url", "metrics")


class Metronome:
    """Sends to Metronome.

    Settings: `metrics`, for `verify`: the id of the billable metric of each meter; `url`.

    Args:
        settings: of the destination.
        key: the bearer token.
    """

    rules: ClassVar[Rules] = Rules(
        title="Metronome",
        library="metronome-sdk",
        batch=100,
        past_us=34 * DAY_US,
        future_us=DAY_US,
        remembers_us=34 * DAY_US,
        lowering="taken while the invoice is a draft; not after it is final",
        verify="daily usage of the billable metrics that `metrics` names",
        notes="a billable metric is the SUM of `quantity` for the event type that is the meter's name",
    )

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        self._client = metronome.Metronome(
            bearer_token=key,
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
        """Send events, all or none of which are taken."""
        usage = [_body(one) for one in events]
        came, _ = came_of_call(metronome, lambda: self._client.v1.usage.ingest(usage=usage))
        return [came] * len(events)

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """None: what it accepted is valid."""
        return {}

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """The usage of the meter's billable metric."""
        with asking(self.rules.title, metronome.MetronomeError):
            return by_day(self._found(asked))

    def _found(self, asked: Asked) -> Iterator[tuple[int, int]]:
        page: dict[str, Any] = {}
        while True:
            answer = self._client.v1.usage.with_raw_response.list(
                billable_metrics=[{"id": self._metrics.get(asked.meter, asked.meter)}],
                customer_ids=[asked.customer],
                starting_on=rfc3339(asked.from_us),
                ending_before=rfc3339(asked.to_us),
                window_size="DAY",
                **page,
            )
            document = decimals(answer.text())
            for one in document["data"]:
                yield microseconds(one["start_timestamp"]), parse_money(one.get("value") or 0)
            if not document.get("next_page"):
                return
            page = {"next_page": document["next_page"]}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def _body(event: UsageEvent) -> Any:
    return {
        "transaction_id": event.id,
        "customer_id": event.customer,
        "event_type": event.meter,
        "timestamp": rfc3339(event.start_us),
        "properties": {**event.properties, "quantity": event.value},
    }
