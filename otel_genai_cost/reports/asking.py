"""The texts by which people say which calls they mean, on a command line or in an address, and what they select."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds, midnight_us, rfc3339, zone_of
from otel_genai_cost.reports.selection import Selection, local_time

__all__ = ["Texts", "instant", "selection_of", "since_us", "zone_named"]

_UNITS_US: Final[Mapping[str, int]] = {
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_LAST: Final = re.compile(r"(\d{1,7})([mhdw])", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_INSTANT: Final = "2026-11-20T12:00:00Z"
_REMEDY: Final = f"write it with an offset, {_INSTANT}, or as a date, {_INSTANT[:10]}"


class Texts(NamedTuple):
    """What was written; "" for what was not, and no names for all of them.

    Attributes:
        from_: the first instant, RFC 3339 with an offset, or a date.
        to: the first instant that no longer counts, likewise.
        last: a duration until now, such as 24h, instead of `from_`.
        since: the beginning of a day, instead of `from_`.
        tz: the IANA name of the zone whose days and hours are meant.
        tenants, models, features: any of these.
        as_of: whose rows of the registry hold for all calls: `now`, a day or an instant.
    """

    from_: str = ""
    to: str = ""
    last: str = ""
    since: str = ""
    tz: str = "UTC"
    tenants: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    as_of: str = ""


def selection_of(texts: Texts, prefix: str = "--") -> Selection:
    """The calls that are meant.

    Args:
        texts: what was written.
        prefix: what stands before the name of an option where it was written, for errors.

    Raises:
        ConfigurationError: if one cannot be read, or two contradict each other.
    """
    zone = zone_named(texts.tz, f"{prefix}tz")
    from_us, to_us = _begin_us(texts, prefix, zone), instant(f"{prefix}to", texts.to, zone)
    if from_us is not None and to_us is not None and to_us <= from_us:
        raise ConfigurationError(
            "the time ends before it begins",
            value=f"{local_time(zone, from_us)} to {local_time(zone, to_us)}",
            remedy=f"pass a later {prefix}to",
        )
    return Selection(
        from_us=from_us,
        to_us=to_us,
        tenants=texts.tenants,
        models=texts.models,
        features=texts.features,
        zone=zone,
        as_of_us=_as_of_us(f"{prefix}as-of", texts.as_of, zone),
    )


def _as_of_us(option: str, text: str, zone: tzinfo) -> int | None:
    now_us = time.time_ns() // 1000
    if text in ("", "now"):
        return now_us if text else None
    return since_us(option, text, zone, now_us)


def _begin_us(texts: Texts, prefix: str, zone: tzinfo) -> int | None:
    begins = {"from": texts.from_, "last": texts.last, "since": texts.since}
    given = [f"{prefix}{option}" for option, text in begins.items() if text]
    if len(given) > 1:
        raise ConfigurationError(
            f"{' and '.join(given)} say when to begin", remedy="pass one of them"
        )
    now_us = time.time_ns() // 1000
    if texts.last:
        return now_us - _duration_us(f"{prefix}last", texts.last)
    if texts.since:
        return since_us(f"{prefix}since", texts.since, zone, now_us)
    return instant(f"{prefix}from", texts.from_, zone)


def instant(
    option: str, text: str, zone: tzinfo = timezone.utc, remedy: str = _REMEDY
) -> int | None:
    """Unix microseconds of an option's value; None if it was not given.

    Args:
        option: its name, for the error.
        text: RFC 3339 with an offset, or a date.
        zone: whose midnight a date is.
        remedy: what to write instead, for the error.

    Raises:
        ConfigurationError: if it is neither.
    """
    if not text:
        return None
    try:
        us = midnight_us(date.fromisoformat(text), zone) if _is_date(text) else microseconds(text)
        rfc3339(us)  # the offset of the first or last day of the calendar may lead out of it
        local_time(zone, us)
    except (ValueError, OverflowError):
        raise ConfigurationError(f"{option} is no instant", value=text, remedy=remedy) from None
    return us


def since_us(option: str, text: str, zone: tzinfo, now_us: int) -> int:
    """Unix microseconds of the beginning of a day, or of an instant.

    Args:
        option: its name, for the error.
        text: `today`, `yesterday`, a date, or RFC 3339 with an offset.
        zone: whose calendar.
        now_us: the present, unix microseconds.

    Raises:
        ConfigurationError: for anything else.
    """
    today = (_EPOCH + timedelta(microseconds=now_us)).astimezone(zone).date()
    days = {"today": today, "yesterday": today - timedelta(days=1)}
    if text in days:
        return midnight_us(days[text], zone)
    remedy = f"write today, yesterday or {_INSTANT[:10]}"
    us = instant(option, text, zone, remedy)
    if us is None:
        raise ConfigurationError(f"{option} is empty", remedy=remedy)
    return us


def _is_date(text: str) -> bool:
    return _DAY.fullmatch(text) is not None


def _duration_us(option: str, text: str) -> int:
    match = _LAST.fullmatch(text)
    if match is None or not int(match[1]):
        raise ConfigurationError(
            f"{option} is no length of time", value=text, remedy="write 90m, 24h, 7d or 2w"
        )
    duration_us = int(match[1]) * _UNITS_US[match[2]]
    if duration_us > time.time_ns() // 1000:
        raise ConfigurationError(
            f"{option} reaches back beyond 1970",
            value=text,
            remedy="leave it out to see everything",
        )
    return duration_us


def zone_named(name: str, option: str) -> tzinfo:
    """A time zone.

    Args:
        name: its IANA name.
        option: what it was written for, for the error.

    Raises:
        ConfigurationError: if there is none of that name.
    """
    try:
        return zone_of(name)
    except ValueError:
        raise ConfigurationError(
            "no such time zone",
            value=name,
            where=option,
            remedy="write Europe/Berlin, America/New_York or UTC; where there are none at all: pip install tzdata",
        ) from None
