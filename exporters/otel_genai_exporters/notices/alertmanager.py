"""Alertmanager, by version 2 of its interface: the same labels are one alert, which ends with its period or when it is
resolved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.alerts.channel import Sent
from otel_genai_cost.alerts.render import Message
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_exporters.notices.addresses import Lookup, look_up
from otel_genai_exporters.notices.posting import Poster, url_problems

__all__ = ["AlertmanagerSender", "alerts_of"]

_PATH: Final = "/api/v2/alerts"
_KNOWN: Final = frozenset({"url", "labels", "watchdog_s"})
_DAY_US: Final = 24 * 3_600_000_000
_LONGEST_US: Final = 3_650 * _DAY_US
"""A budget without end fires for ten years."""

_LABELS: Final = ("budget", "scope", "period", "rule", "currency")
"""Facts that say what an alert is, whenever it comes again."""

_NAMES: Final = {
    "crossed": "GenAICostBudget",
    "resolved": "GenAICostBudget",
    "late": "GenAICostBudget",
    "blocked": "GenAICostBlocked",
    "top_up": "GenAICostCreditsLow",
    "expiring": "GenAICostCreditsExpire",
    "anomaly": "GenAICostAnomaly",
    "upgrade": "GenAICostUpgrade",
    "no_data": "GenAICostNoData",
    "data_again": "GenAICostNoData",
    "channel_disabled": "GenAICostChannelDisabled",
    "digest": "GenAICostDigest",
    "test": "GenAICostTest",
    "watchdog": "Watchdog",
}
_ENDING: Final = frozenset({"resolved", "data_again"})


class AlertmanagerSender:
    """Posts alerts.

    Settings: `url`, the address of Alertmanager without `/api/v2`; `labels`, further labels of every alert.

    Args:
        settings: the channel's.
        audience: only the team has an Alertmanager.
        lookup: how hosts are looked up.
    """

    def __init__(
        self, settings: Mapping[str, Any], audience: Audience, *, lookup: Lookup = look_up
    ) -> None:
        self._labels: dict[str, str] = settings.get("labels", {})
        url = str(settings["url"]).rstrip("/") + _PATH
        self._poster = Poster(url, is_tenants=audience == "tenant", lookup=lookup)

    @staticmethod
    def problems(settings: Mapping[str, Any], audience: Audience) -> list[str]:
        """What is wrong with the settings of a channel, each with what to write instead."""
        found = [
            f"{name} is no setting of an alertmanager; known: {', '.join(sorted(_KNOWN))}"
            for name in sorted(settings.keys() - _KNOWN)
        ]
        if audience != "team":
            found.append("an alertmanager is the team's; write audience = 'team'")
        labels: object = settings.get("labels", {})
        if not isinstance(labels, dict) or not all(isinstance(one, str) for one in labels.values()):  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
            found.append("labels is no table of strings; write labels = {team = 'ml'}")
        return [*found, *url_problems(settings, is_tenants=False)]

    async def send(self, message: Message) -> Sent:
        """Send a message, once."""
        body = json.dumps(alerts_of(message, self._labels))
        return await self._poster.post(body.encode(), {})

    async def close(self) -> None:
        """Close its connections."""
        await self._poster.close()


def alerts_of(message: Message, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The alerts of a message, one for each threshold that it names.

    Args:
        message: what is to be said.
        labels: further labels of each.
    """
    notice, facts = message.notice, message.facts
    own = {name: _label(facts[name]) for name in _LABELS if facts.get(name) is not None}
    named = {
        "alertname": _NAMES[notice.kind],
        "tenant": _label(notice.tenant or ""),
        **own,
        **labels,
    }
    marks = [str(one) for one in facts.get("thresholds") or ()]
    marks += ["soft"] if facts.get("soft_reached") else []
    each = [{"threshold": one} for one in marks] or [{}]
    begun_us, end_us = _span_us(message)
    return [
        {
            "labels": {**named, **threshold},
            "annotations": {"summary": message.title, "description": message.text},
            "startsAt": rfc3339(begun_us),
            "endsAt": rfc3339(end_us),
        }
        for threshold in each
    ]


def _span_us(message: Message) -> tuple[int, int]:
    """From when to when it fires."""
    notice, facts = message.notice, message.facts
    if notice.kind in _ENDING:
        begun_us = int(facts.get("last_us") or facts.get("period_from_us") or notice.at_us)
        return min(begun_us, notice.at_us), notice.at_us
    for name in ("period_to_us", "expires_us", "reset_us", "ends_us"):
        if isinstance(end_us := facts.get(name), int) and end_us > notice.at_us:
            return notice.at_us, min(end_us, notice.at_us + _LONGEST_US)
    return notice.at_us, notice.at_us + _DAY_US


def _label(value: object) -> str:
    """A label's value as it is; Alertmanager takes any text that is UTF-8."""
    return str(value).encode("utf-8", "replace").decode()
