"""A signed webhook, for a pipeline of one's own: an event a request, as Standard Webhooks has it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, ClassVar, Final

from otel_genai_cost.billing.usage_event import UsageEvent, event_json
from otel_genai_cost.billing.vendor import Asked, Came, Rules
from otel_genai_cost.errors import VendorError
from otel_genai_exporters.billing.answers import known_url, unknown_settings
from otel_genai_exporters.billing.http_vendor import HttpVendor
from otel_genai_exporters.notices.webhook import signed

__all__ = ["UsageWebhook"]

_KNOWN: Final = ("url",)


def _now() -> datetime:
    return datetime.now(timezone.utc)


class UsageWebhook(HttpVendor):
    """Posts events; `webhook-id` is the event's, the same whenever it is sent.

    Settings: `url`. The key is one secret or, while it is changed, two with a comma between: `whsec_…`.

    Args:
        settings: of the destination.
        key: the secrets, each of which signs.
        clock: the time.
    """

    rules: ClassVar[Rules] = Rules(
        title="Signed webhook",
        library="standardwebhooks",
        batch=1,
        past_us=None,
        future_us=0,
        remembers_us=None,
        lowering="posted",
        notes="whoever receives counts each `webhook-id` once, for ever; 2xx says that it is kept",
    )

    def __init__(
        self, settings: Mapping[str, Any], key: str, clock: Callable[[], datetime] = _now
    ) -> None:
        super().__init__(settings["url"], "")
        self._secrets = [one.strip() for one in key.split(",")]
        self._clock = clock

    @staticmethod
    def problems(settings: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings of a destination, each with what to write instead."""
        return [*unknown_settings(settings, _KNOWN), *known_url(settings, is_needed=True)]

    def send(self, events: Sequence[UsageEvent]) -> Sequence[Came]:
        """Post events, one after the other."""
        return [self._sent(one) for one in events]

    def _sent(self, event: UsageEvent) -> Came:
        data = event_json(event)
        document = {"type": "genai_cost.usage", "timestamp": data["from"], "data": data}
        body = json.dumps(document, separators=(",", ":"), sort_keys=True)
        try:
            headers = signed(self._secrets, event.id, self._clock(), body)
        except ValueError as error:
            return Came("refused", f"cannot be signed: {error}")
        came, _ = self.post("", body.encode(), {"content-type": "application/json", **headers})
        return came

    def quantities(self, asked: Asked) -> Mapping[int, int]:
        """It cannot be asked.

        Raises:
            VendorError: always.
        """
        raise VendorError("a webhook cannot be asked what it has")
