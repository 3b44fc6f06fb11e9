"""Webhooks, signed as Standard Webhooks has it; `webhook-id` is the letter's, the same whenever it is sent."""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Final

from otel_genai_cost.alerts.channel import Sent, written_secret
from otel_genai_cost.alerts.render import Message
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_exporters.notices.addresses import Lookup, look_up
from otel_genai_exporters.notices.posting import Poster, url_problems

try:
    from standardwebhooks import Webhook
except ImportError:
    raise MissingExtraError("the channel webhook", "standardwebhooks", "alerts") from None

__all__ = ["WebhookSender", "body_of", "signed"]

_SECRETS_MAX: Final = 2
_KNOWN: Final = frozenset({"url", "secrets", "watchdog_s"})


def _now() -> datetime:
    return datetime.now(timezone.utc)


class WebhookSender:
    """Posts a JSON document of type, timestamp and data.

    Settings: `url`; `secrets`, one or, while they are changed, two (`whsec_…` or `file:PATH`), each of which signs.

    Args:
        settings: the channel's.
        audience: a tenant's URL must lead to a public address.
        lookup: how hosts are looked up.
        verify: what certificates are checked with.
        clock: the time.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        audience: Audience,
        *,
        lookup: Lookup = look_up,
        verify: Any = True,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._secrets: list[str] = settings["secrets"]
        self._clock = clock
        self._poster = Poster(
            settings["url"], is_tenants=audience == "tenant", lookup=lookup, verify=verify
        )

    @staticmethod
    def problems(settings: Mapping[str, Any], audience: Audience) -> list[str]:
        """What is wrong with the settings of a channel, each with what to write instead."""
        found = [
            f"{name} is no setting of a webhook; known: {', '.join(sorted(_KNOWN))}"
            for name in sorted(settings.keys() - _KNOWN)
        ]
        found += url_problems(settings, is_tenants=audience == "tenant")
        secrets: object = settings.get("secrets")
        if not isinstance(secrets, list) or not 1 <= len(secrets) <= _SECRETS_MAX:  # pyright: ignore[reportUnknownArgumentType]
            return [*found, "secrets is no list of one or two; write secrets = ['whsec_…']"]
        if not all(map(_is_secret, secrets)):  # pyright: ignore[reportUnknownArgumentType]
            found.append(
                "a secret is none; write 'whsec_' and the base64 of 24 to 64 random bytes, or file:PATH"
            )
        return found

    async def send(self, message: Message) -> Sent:
        """Send a message, once."""
        body = body_of(message)
        try:
            secrets = [written_secret(one) for one in self._secrets]
            headers = signed(secrets, message.id, self._clock(), body)
        except (ConfigurationError, ValueError) as error:
            return Sent("failed", f"cannot be signed: {error}")
        return await self._poster.post(body.encode(), headers)

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def body_of(message: Message) -> str:
    """The document that is posted: the same whenever the message is sent."""
    notice = message.notice
    data = {
        "id": message.id,
        "tenant": notice.tenant,
        "audience": notice.audience,
        "title": message.title,
        "text": message.text,
        "facts": message.facts,
    }
    document = {
        "type": f"genai_cost.{notice.kind}",
        "timestamp": rfc3339(notice.at_us),
        "data": data,
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def signed(secrets: Sequence[str], one: str, at: datetime, body: str) -> dict[str, str]:
    """The headers that sign a body.

    Args:
        secrets: each makes a signature, so that receivers may change theirs at any time.
        one: the id of the message.
        at: when it is sent, in any time zone. The library takes the clock of another zone than UTC for UTC's, so it is
            given UTC.
        body: what is sent.

    Raises:
        ValueError: if a secret is none.
    """
    utc = at.astimezone(timezone.utc)
    signatures = [Webhook(secret).sign(one, utc, body) for secret in secrets]
    return {
        "webhook-id": one,
        "webhook-timestamp": str(int(utc.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _is_secret(text: object) -> bool:
    if not isinstance(text, str) or text.startswith("file:"):
        return isinstance(text, str)
    try:
        decoded = binascii.a2b_base64(text.removeprefix("whsec_") + "==")
    except ValueError:
        return False
    return text.startswith("whsec_") and 24 <= len(decoded) <= 64
