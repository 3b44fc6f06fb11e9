"""Where notices go: channels as people configured them over time, append-only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.limits.notice import AUDIENCES, Audience, Notice
from otel_genai_cost.vocabulary import word

__all__ = ["CHANNEL_EVENTS", "CHANNEL_SCHEMA", "Channel", "Channels"]

CHANNEL_EVENTS: Final = ("channel_set", "channel_removed", "channel_disabled")
"""The events by which a channel comes to be what it is. Setting one that is disabled enables it."""

CHANNEL_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS channel (
    name TEXT NOT NULL, at_us INTEGER NOT NULL, type TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (name, at_us, type)
);
"""


class Channel(NamedTuple):
    """A channel at a time.

    Attributes:
        name: Its own.
        kind: The name of the entry point that sends by it: webhook, apprise, alertmanager.
        audience: Whose notices it carries.
        tenant: Which tenant's; None for all, which only the team's can be.
        kinds: Which kinds of notices; all if empty.
        settings: Where to and how, as its kind has it. Secrets may stand in them.
        since_us: When it was first set, after it was removed if it ever was; unix microseconds.
        disabled: Why it is disabled; "" if it is not.
    """

    name: str
    kind: str
    audience: Audience
    tenant: str | None
    kinds: tuple[str, ...]
    settings: Mapping[str, Any]
    since_us: int
    disabled: str = ""

    def carries(self, notice: Notice) -> bool:
        """Whether a notice goes by it. A tenant's channel carries that tenant's notices alone; none carries that it is
        disabled itself."""
        to = notice.facts.get("to")
        if (to is not None and to != self.name) or notice.facts.get("disabled") == self.name:
            return False
        if self.audience != notice.audience or self.since_us > notice.at_us:
            return False
        if self.audience == "tenant" and self.tenant is None:
            return False
        fits = self.tenant is None or self.tenant == notice.tenant
        return fits and (to is not None or not self.kinds or notice.kind in self.kinds)


class Channels:
    """The table in an open ledger."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seen: object = ()
        self._now: tuple[Channel, ...] = ()

    def note(self, event: Mapping[str, Any]) -> None:
        """Keep an event of one of `CHANNEL_EVENTS`; one that cannot be read is ignored."""
        name, at_us = event.get("name"), event.get("at_us")
        if isinstance(name, str) and isinstance(at_us, int):
            self._db.execute(
                "INSERT OR IGNORE INTO channel VALUES (?,?,?,?)",
                (name, at_us, event["type"], encode(event)),
            )

    def all(self) -> tuple[Channel, ...]:
        """Those that are set now, disabled ones included, by name."""
        last = self._db.execute(
            "SELECT rowid, name, at_us FROM channel ORDER BY rowid DESC LIMIT 1"
        ).fetchone()
        if last != self._seen:
            rows = self._db.execute("SELECT body FROM channel ORDER BY name, at_us, rowid")
            self._now = _channels(decode(body) for (body,) in rows)
            self._seen = last
        return self._now

    def get(self, name: str) -> Channel | None:
        """The channel of that name; None if there is none now."""
        return next((one for one in self.all() if one.name == name), None)

    def history(self, name: str) -> list[dict[str, Any]]:
        """What was decided of a channel, in order."""
        rows = self._db.execute(
            "SELECT body FROM channel WHERE name = ? ORDER BY at_us, rowid", (name,)
        )
        return [decode(body) for (body,) in rows]


def _channels(events: Iterable[Mapping[str, Any]]) -> tuple[Channel, ...]:
    """What they come to, whatever the order in which the journals were read: `events` are in that of their times."""
    found: dict[str, Channel] = {}
    for event in events:
        name = event["name"]
        before = found.get(name)
        if event["type"] == "channel_set":
            found[name] = _channel(event, before)
        elif event["type"] == "channel_removed":
            found.pop(name, None)
        elif before is not None:
            found[name] = before._replace(disabled=str(event.get("reason") or "disabled"))
    return tuple(found.values())


def _channel(event: Mapping[str, Any], before: Channel | None) -> Channel:
    settings, kinds = event.get("settings"), event.get("kinds")
    return Channel(
        name=event["name"],
        kind=str(event.get("kind")),
        audience=word(event.get("audience"), AUDIENCES, "tenant"),
        tenant=event.get("tenant"),
        kinds=tuple(cast("list[str]", kinds)) if isinstance(kinds, list) else (),
        settings=cast("dict[str, Any]", settings) if isinstance(settings, dict) else {},
        since_us=event["at_us"] if before is None else before.since_us,
    )
