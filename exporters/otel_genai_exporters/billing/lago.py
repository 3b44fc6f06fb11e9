"""Lago: batches of events; its billable metrics sum the property `quantity` of the code that is the meter's name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, cast

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import Asked, Came, Rules, by_day
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.billing.answers import asking, known_url, unknown_settings
from otel_genai_exporters.billing.http_vendor import HttpVendor

__all__ = ["Lago"]

_KNOWN: Final = ("url",)
_CLOUD: Final = "https://api.getlago.com"
_TYPE: Final = {"content-type": "application/json"}
_KNOWN_ID: Final = "value_already_exist"
_PAGE: Final = 100


class Lago(HttpVendor):
    """Sends to Lago; customers are external ids of subscriptions.

    Settings: `url`.

    Args:
        settings: of the destination.
        key: the API key.
    """

    rules: ClassVar[Rules] = Rules(
        title="Lago",
        library="httpx",
        batch=100,
        past_us=None,
        future_us=0,
        remembers_us=None,
        lowering="taken",
        verify="its list of events",
        notes="an id that it has is refused by the PostgreSQL pipeline, and taken again, in the place of the same "
        "event, by the ClickHouse pipeline",
    )

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        super().__init__(settings.get("url", _CLOUD), key)

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        return [*unknown_settings(settings, _KNOWN), *known_url(settings)]

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events. Where one is refused none is taken, and Lago says which it is by its place."""
        body = json.dumps({"events": [_body(one) for one in events]}).encode()
        came, text = self.post("/api/v1/events/batch", body, _TYPE)
        wrong = _wrong(text)
        if came.outcome != "rejected" or not wrong:
            return [came] * len(events)
        return [_came(wrong.get(str(place))) for place in range(len(events))]

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """What the events of the subscription sum up to."""
        query = {
            "external_subscription_id": asked.customer,
            "code": asked.meter,
            "timestamp_from": rfc3339(asked.from_us),
            "timestamp_to": rfc3339(asked.to_us - 1),
            "per_page": _PAGE,
        }
        found, page = list[tuple[int, int]](), 1
        while page:
            document = self.get(self.rules.title, "/api/v1/events", {**query, "page": page})
            with asking(self.rules.title):
                found += [
                    (
                        microseconds(one["timestamp"]),
                        parse_money(str(one["properties"]["quantity"])),
                    )
                    for one in document["events"]
                ]
                page = document["meta"]["next_page"]
        return by_day(found)


def _body(event: UsageEvent) -> dict[str, Any]:
    return {
        "transaction_id": event.id,
        "external_subscription_id": event.customer,
        "code": event.meter,
        "timestamp": event.start_us // 1_000_000,
        "properties": {**event.properties, "quantity": event.value},
    }


def _wrong(text: str) -> Mapping[str, object]:
    """What is wrong with the events that an answer names, by their place."""
    try:
        document: Any = json.loads(text)
    except ValueError:
        return {}
    details: Any = document.get("error_details") if isinstance(document, dict) else None  # pyright: ignore
    return cast("dict[str, object]", details) if isinstance(details, dict) else {}


def _came(wrong: object) -> Came:
    if wrong is None:
        return Came("beside")
    text = json.dumps(wrong)
    return Came("accepted") if _KNOWN_ID in text else Came("rejected", text[:300])
