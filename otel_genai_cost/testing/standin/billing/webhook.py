"""A receiver of signed webhooks: checks the signature, and counts each `webhook-id` once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.testing.standin.billing.server import (
    Answer,
    BillingStandIn,
    Request,
    Usage,
)

__all__ = ["WebhookStandIn"]


class WebhookStandIn(BillingStandIn):
    """Its key is the secret, `whsec_…`."""

    def is_allowed(self, request: Request) -> bool:
        """Whether one of the signatures is the secret's."""
        headers = request.headers
        content = request.content.decode()
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.{content}"
        secret = base64.b64decode(self.key.removeprefix("whsec_"))
        expected = base64.b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).decode()
        return f"v1,{expected}" in headers.get("webhook-signature", "").split()

    def answer(self, request: Request) -> Answer:
        """Take an event."""
        data: Mapping[str, Any] = json.loads(request.content)["data"]
        if data["id"] != request.headers["webhook-id"]:
            return Answer({"message": "webhook-id is not the event's"}, 400)
        if data["customer"] == self.refuse_customer:
            return Answer({"message": "no such customer"}, 422)
        usage = Usage(
            data["customer"],
            data["meter"],
            Decimal(data["quantity"]),
            microseconds(data["from"]),
            self.clock_us(),
        )
        self.count(data["id"], usage)
        return Answer(status=204)
