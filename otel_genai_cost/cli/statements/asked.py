"""The options that say which statements are meant, the same for each command of the group."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.plan_file import plans_at
from otel_genai_cost.cli.registry import directory_at
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.limits.period import ANCHOR_MAX
from otel_genai_cost.pricing.instants import local_clock, zone_of
from otel_genai_cost.reports.margin.spreading import SPREAD_RULES
from otel_genai_cost.statements.periods import Calendar, calendar_of, first_day_of
from otel_genai_cost.statements.revise import Closing
from otel_genai_cost.statements.run import Asked, Spreading
from otel_genai_cost.statements.statement import CADENCES, Cadence, Scope

__all__ = [
    "AnchorOption",
    "AnyPeriodOption",
    "ByOption",
    "CadenceOption",
    "GraceOption",
    "OnlyByOption",
    "PeriodOption",
    "RevisionOption",
    "SpreadOption",
    "TenantOption",
    "WithGapsOption",
    "WithUnpricedOption",
    "ZoneOption",
    "accepted",
    "asked_of",
    "calendars_of",
    "checked_zone",
    "grace_us",
    "now_us",
    "period_of",
    "spreading_of",
]

PeriodOption = Annotated[
    str,
    typer.Option("--period", help="2026-10, 2026-W41 or 2026-10-05; default: the last that ended."),
]
AnyPeriodOption = Annotated[
    str, typer.Option("--period", help="2026-10, 2026-W41 or 2026-10-05; default: all.")
]
CadenceOption = Annotated[
    Cadence | None, typer.Option("--cadence", help="Default: what --period names, else monthly.")
]
AnchorOption = Annotated[
    int | None,
    typer.Option("--anchor", help="The day of the month on which an anchored period begins."),
]
TenantOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tenant",
        help="A tenant's id, or unattributed or system; =ID is always a tenant. Repeatable.",
    ),
]
ByOption = Annotated[
    Scope | None, typer.Option("--by", help="One statement for each of a tenant's.")
]
OnlyByOption = Annotated[
    Scope | None, typer.Option("--by", help="Only those that are split by it.")
]
RevisionOption = Annotated[
    int | None, typer.Option("--revision", help="Which revision; default: all.")
]
SpreadOption = Annotated[
    str,
    typer.Option(
        help="By what tenants bear what is nobody's: cost, calls, revenue or evenly; none takes that back. Default: as"
        " stated before, else not at all."
    ),
]
GraceOption = Annotated[
    str, typer.Option("--grace", help="How long after its end a period stays open: 12h, 3d, 1w.")
]
ZoneOption = Annotated[
    str, typer.Option("--tz", help="The zone of whoever has none in the tenants' registry")
]
WithGapsOption = Annotated[
    bool, typer.Option("--with-gaps", help="Close periods although journal records are missing.")
]
WithUnpricedOption = Annotated[
    bool, typer.Option("--with-unpriced", help="Close periods although calls have no price.")
]

_GRACE: Final = re.compile(r"(\d{1,4})([hdw])", re.ASCII)
_UNIT_US: Final = {"h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}


def asked_of(
    home: Home,
    calendar: Calendar,
    first_days: Collection[date],
    *,
    scope: Scope | None,
    tenants: Collection[str] | None,
    zone: str,
    closing: Closing,
    plans: Path | None,
    spreading: Spreading | None = None,
) -> Asked:
    """What is meant, with the registry of a ledger.

    Args:
        home: the ledger's.
        calendar: which periods.
        first_days: those that begin with these days.
        scope: what calls are split by.
        tenants: whom; None or empty for everybody.
        zone: of whoever has none of its own.
        closing: when and how periods are closed.
        plans: a file of plans; None for that of the ledger's folder, if it is there.
        spreading: how what is nobody's is spread.

    Raises:
        ConfigurationError: if there is no such zone, or the registry or the plans cannot be read.
        TenantsError: with every problem, if the registry is broken.
        PlansError: with every problem, if the plans are broken.
    """
    return Asked(
        calendar,
        frozenset(first_days),
        closing,
        scope=scope,
        tenants=frozenset(tenants or ()),
        directory=directory_at(home),
        zone=checked_zone(zone),
        plans=plans_at(home, plans),
        spreading=spreading,
    )


def spreading_of(
    name: str, *, overrules: bool, tenants: Collection[str] | None = None
) -> Spreading | None:
    """How what is nobody's is spread.

    Args:
        name: of the rule, or `none`; "" for as it was stated before.
        overrules: whether that holds too where something was stated by another rule.
        tenants: whom alone statements are asked for; None or empty for everybody.

    Raises:
        ConfigurationError: if there is no such rule, and for some tenants alone: what they bear depends on all.
    """
    if not name:
        return None
    if name != "none" and name not in SPREAD_RULES:
        raise ConfigurationError(
            "no such rule",
            value=name,
            where="--spread",
            remedy=f"write one of {', '.join(SPREAD_RULES)}, none",
        )
    if tenants:
        raise ConfigurationError(
            "a rule is for all tenants, and some alone are asked for",
            value=name,
            where="--spread",
            remedy="leave --tenant out; later runs keep the rule, also those with --tenant",
        )
    return Spreading(next((rule for rule in SPREAD_RULES if rule == name), None), overrules)


def checked_zone(name: str) -> str:
    """The zone of whoever has none of its own.

    Raises:
        ConfigurationError: if there is no such zone.
    """
    try:
        zone_of(name)
    except ValueError:
        remedy = "write Europe/Berlin or UTC; where there are none at all: pip install tzdata"
        raise ConfigurationError(
            "no such time zone", value=name, where="--tz", remedy=remedy
        ) from None
    return name


def calendars_of(cadences: Sequence[str] | None, anchor: int | None) -> list[Calendar]:
    """The calendars of a schedule.

    Args:
        cadences: None for anchored ones if there is an anchor, else monthly.
        anchor: the day on which anchored periods begin.

    Raises:
        ConfigurationError: for a cadence that is none, and for an anchor without anchored periods or the other way
            round.
    """
    given = cadences or (["monthly"] if anchor is None else ["anchored"])
    unknown = [one for one in given if one not in CADENCES]
    if unknown:
        raise ConfigurationError(
            "no such cadence",
            value=unknown[0],
            where="--cadence",
            remedy=f"write one of {', '.join(CADENCES)}",
        )
    if ("anchored" in given) != (anchor is not None) or not 1 <= (anchor or 1) <= ANCHOR_MAX:
        raise ConfigurationError(
            "an anchored period, and no other, needs the day of the month on which it begins",
            value=anchor,
            where="--anchor",
            remedy="pass --cadence anchored --anchor 15",
        )
    return [
        Calendar(one, (anchor or 1) if one == "anchored" else 1) for one in CADENCES if one in given
    ]


def period_of(
    text: str, cadence: Cadence | None, anchor: int | None, now_us: int
) -> tuple[Calendar, date]:
    """The period that is meant; without a name the last one that is over in every zone.

    Args:
        text: as it was given; "" for none.
        cadence: None for that which the text names.
        anchor: the day on which anchored ones begin.
        now_us: the present, unix microseconds.

    Raises:
        ConfigurationError: if it names none.
    """
    try:
        if text:
            return calendar_of(text, cadence, anchor)
        now = (local_clock(now_us) - timedelta(hours=12)).date()
        given = cadence or ("anchored" if anchor is not None else "monthly")
        calendar, first = calendar_of(now.isoformat(), given, anchor)
        return calendar, first_day_of(calendar, first - timedelta(days=1))
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"no period: {error}",
            value=text or cadence,
            where="--period",
            remedy="write 2026-10, 2026-W41 or 2026-10-05; with --anchor 15 the month in which it begins",
        ) from None


def grace_us(text: str) -> int:
    """How long a period stays open after its end, in microseconds.

    Raises:
        ConfigurationError: if that is no length of time.
    """
    found = _GRACE.fullmatch(text)
    if found is None:
        raise ConfigurationError(
            "not a length of time", value=text, where="--grace", remedy="write 12h, 3d or 1w"
        )
    return int(found[1]) * _UNIT_US[found[2]]


def accepted(*, gaps: bool, unpriced: bool) -> frozenset[str]:
    """What periods are closed with."""
    return frozenset(
        name for name, is_meant in (("gaps", gaps), ("unpriced", unpriced)) if is_meant
    )


def now_us() -> int:
    """The time, unix microseconds."""
    return time.time_ns() // 1000
