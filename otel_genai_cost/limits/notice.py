"""What people are informed of: who is meant, what happened, and what of it they may see. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

__all__ = [
    "AUDIENCES",
    "MONEY_FACTS",
    "NOTICE_KINDS",
    "Audience",
    "Notice",
    "NoticeKind",
    "notice_id",
    "visible_facts",
]

NoticeKind: TypeAlias = Literal[
    "crossed",
    "resolved",
    "late",
    "blocked",
    "top_up",
    "expiring",
    "anomaly",
    "upgrade",
    "no_data",
    "data_again",
    "channel_disabled",
    "digest",
    "test",
    "watchdog",
]
"""What happened. `crossed`: a counter came to one or more thresholds of a budget; `resolved`: it is below them again.
`late`: a counter of a past period came to them, which only a digest says. `blocked`: calls are refused from now on.
`top_up`: credits are below the tenant's mark; `expiring`: some will soon be void. `anomaly`: a rule on cost over time.
`upgrade`: a tenant uses more of what its plan includes than is fair, and nothing is blocked by that.
`no_data`: a tenant that always calls fell silent; `data_again`: it calls again. `channel_disabled`: a receiver failed
for days or said that it is gone. `digest`: what happened before, in one. `test`: somebody tries a channel. `watchdog`:
all is well, which its receiver expects to hear."""

Audience: TypeAlias = Literal["team", "tenant"]
"""Who reads it: the team that runs the product, who see cost and margin; or a tenant of it, who never does."""

NOTICE_KINDS: Final[tuple[NoticeKind, ...]] = get_args(NoticeKind)
AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)

MONEY_FACTS: Final = frozenset(
    {
        "booked",
        "held",
        "committed",
        "hard",
        "soft",
        "available",
        "granted",
        "burnt",
        "expiring",
        "below",
        "amount",
        "observed",
        "expected",
    }
)
"""Facts that are sums of money, decimal text; in `currency`. A tenant sees them where `side` is `price`."""

_TENANT_FACTS: Final = frozenset(
    {
        "scope",
        "period",
        "period_from_us",
        "period_to_us",
        "zone",
        "thresholds",
        "soft_reached",
        "percent",
        "direction",
        "episode",
        "reset_us",
        "expires_us",
        "last_us",
        "currency",
        "count",
        "kind",
        "notices",
    }
)
"""What a tenant sees whatever the side. A name that is not listed here is the team's alone."""


class Notice(NamedTuple):
    """One thing to be said to one audience.

    Attributes:
        kind: What happened.
        key: The same for the same occurrence, in a ledger that is rebuilt as well: a crossing's budget, scope, period,
            thresholds, direction and episode, say. A notice with the key and audience of another is that one.
        tenant: Which tenant it is about; None for the organisation.
        audience: Who is meant. What both should hear is two notices of one key.
        at_us: When that happened, unix microseconds: for what follows from an entry, when its call occurred.
        facts: What is to be said, of JSON: money as decimal text without exponent, times as unix microseconds (`…_us`).
            Those of a crossing: budget, scope, period, period_from_us, period_to_us, zone, currency, side, hard, soft,
            booked, thresholds (all that were crossed, whole per cents), soft_reached, percent (whole), direction,
            episode.
    """

    kind: NoticeKind
    key: str
    tenant: str | None
    audience: Audience
    at_us: int
    facts: Mapping[str, Any]


def notice_id(key: str, channel: str) -> str:
    """The id under which a receiver gets a notice, by which it knows one that comes again: 32 hex digits.

    Args:
        key: the notice's.
        channel: the name of the channel that it goes by.
    """
    return blake2b(f"{key}\0{channel}".encode("utf-8", "replace"), digest_size=16).hexdigest()


def visible_facts(notice: Notice) -> dict[str, Any]:
    """The facts that the notice's audience may see: the team all of them; a tenant no cost, no margin and nothing that
    is not known to be free of both."""
    if notice.audience == "team":
        return dict(notice.facts)
    return _tenants_facts(notice.facts)


def _tenants_facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    allowed = _TENANT_FACTS | MONEY_FACTS if facts.get("side") == "price" else _TENANT_FACTS
    seen = {name: value for name, value in facts.items() if name in allowed}
    if "notices" in seen:  # of a digest, which says what others would have said
        seen["notices"] = [_tenants_facts(one) for one in seen["notices"]]
    return seen
