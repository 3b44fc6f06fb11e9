"""OpenMeter: CloudEvents over HTTP; its meters sum `$.quantity` of the event type that is the meter's name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from otel_genai_cost.billing.usage_event import UsageEvent
from otel_genai_cost.billing.vendor import DAY_US, Asked, Came, Rules, by_day
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.billing.answers import asking, known_url, unknown_settings
from otel_genai_exporters.billing.http_vendor import HttpVendor

__all__ = ["OpenMeter"]

_KNOWN: Final = ("url", "source")
_CLOUD: Final = "https://openmeter.cloud"
_TYPE: Final = {"content-type": "application/cloudevents-batch+json"}


class OpenMeter(HttpVendor):
    """Sends to OpenMeter; customers are subjects.

    Settings: `url`; `source` of the events, which are known by source and id.

    Args:
        settings: of the destination.
        key: the token; empty for a server of one's own without.
    """

    rules: ClassVar[Rules] = Rules(
        title="OpenMeter",
        library="httpx",
        batch=100,
        past_us=None,
        future_us=0,
        remembers_us=32 * DAY_US,
        verify="daily query of the meter of the same name",
        notes="`remembers` must be what your server's deduplication is set to: 32 days in its example, `0m` where it "
        "has none",
    )

    def __init__(self, settings: Mapping[str, Any], key: str) -> None:
        super().__init__(settings.get("url", _CLOUD), key)
        self._source = str(settings.get("source", "otel-genai-cost"))

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        return [*unknown_settings(settings, _KNOWN), *known_url(settings)]

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Send events, all or none of which are taken."""
        body = json.dumps([self._body(one) for one in events]).encode()
        came, _ = self.post("/api/v1/events", body, _TYPE)
        return [came] * len(events)

    def _body(self, event: UsageEvent) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": self._source,
            "type": event.meter,
            "subject": event.customer,
            "time": rfc3339(event.start_us),
            "data": {**event.properties, "quantity": event.value},
        }

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """What the meter has of the subject."""
        query = {
            "subject": asked.customer,
            "from": rfc3339(asked.from_us),
            "to": rfc3339(asked.to_us),
            "windowSize": "DAY",
        }
        document = self.get(self.rules.title, f"/api/v1/meters/{asked.meter}/query", query)
        with asking(self.rules.title):
            return by_day(
                (microseconds(one["windowStart"]), parse_money(one["value"]))
                for one in document["data"]
            )
