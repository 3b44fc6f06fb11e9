"""The options that say which calls are meant, the same for every command that reports."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any, Final

import typer

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds, midnight_us, rfc3339, zone_of
from otel_genai_cost.reports.selection import Selection, local_time

__all__ = ["instant", "selecting", "since_us"]

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


_AsOfOption = Annotated[
    str,
    typer.Option(
        "--as-of",
        help="With the names, plans and parents of then, or of `now`, instead of each call's own time.",
    ),
]


def selecting(command: Callable[..., None], without: Collection[str] = ()) -> Callable[..., None]:
    """A command with the options that select calls in place of its parameter `selection`.

    Args:
        command: has a parameter `selection`, and is to be registered with typer.
        without: parameters of `selection_of` that the command has another use for.

    Returns:
        What to register. It raises ConfigurationError for values that select nothing.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()
    every = inspect.signature(selection_of, eval_str=True).parameters
    options = {name: one for name, one in every.items() if name not in without}
    parameters: list[inspect.Parameter] = []
    for one in own:
        more = list(options.values()) if one.name == "selection" else [one]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in more]

    def selected(**values: Any) -> None:
        asked = {name: values.pop(name) for name in options}
        command(**values, selection=selection_of(**asked))

    selected.__doc__, selected.__module__ = command.__doc__, command.__module__
    selected.__annotations__ = {one.name: one.annotation for one in parameters}
    selected.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return selected


def selection_of(
    from_: Annotated[
        str, typer.Option("--from", help="First instant, RFC 3339 with an offset, or a date.")
    ] = "",
    to: Annotated[
        str, typer.Option("--to", help="First instant that no longer counts, or a date.")
    ] = "",
    last: Annotated[
        str, typer.Option("--last", help="Until now: 90m, 24h, 7d or 2w, for example.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", help="From the beginning of today, yesterday or a date.")
    ] = "",
    tz: Annotated[
        str, typer.Option("--tz", help="Whose days and hours: Europe/Berlin, for example.")
    ] = "UTC",
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="Only this tenant's; unattributed: without one. Repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Only calls of this model. Repeatable.")
    ] = None,
    feature: Annotated[
        list[str] | None, typer.Option("--feature", help="Only this feature's calls. Repeatable.")
    ] = None,
    as_of: _AsOfOption = "",
) -> Selection:
    """The calls that a command's options select.

    Args:
        from_: the first instant, RFC 3339 with an offset, or a date; "" for no limit, as for all texts here.
        to: the first instant that no longer counts, likewise.
        last: a duration until now, such as 24h, instead of `from_`.
        since: the beginning of a day, instead of `from_`.
        tz: the IANA name of the zone whose days and hours are meant.
        tenant: any of these; None or empty for all.
        model: any of these; None or empty for all.
        feature: any of these; None or empty for all.
        as_of: whose rows of the registry hold for all calls: `now`, a day or an instant.

    Raises:
        ConfigurationError: if an option cannot be read, or two contradict each other.
    """
    zone = _zone(tz)
    from_us, to_us = _begin_us(from_, last, since, zone), instant("--to", to, zone)
    if from_us is not None and to_us is not None and to_us <= from_us:
        raise ConfigurationError(
            "the time ends before it begins",
            value=f"{local_time(zone, from_us)} to {local_time(zone, to_us)}",
            remedy="pass a later --to",
        )
    tenants, models, features = (tuple(names or ()) for names in (tenant, model, feature))
    seen = Selection(zone=zone, as_of_us=_as_of_us(as_of, zone))
    return seen._replace(
        from_us=from_us, to_us=to_us, tenants=tenants, models=models, features=features
    )


def _as_of_us(text: str, zone: tzinfo) -> int | None:
    now_us = time.time_ns() // 1000
    if text in ("", "now"):
        return now_us if text else None
    return since_us("--as-of", text, zone, now_us)


def _begin_us(from_: str, last: str, since: str, zone: tzinfo) -> int | None:
    begins = {"--from": from_, "--last": last, "--since": since}
    given = [option for option, text in begins.items() if text]
    if len(given) > 1:
        raise ConfigurationError(
            f"{' and '.join(given)} say when to begin", remedy="pass one of them"
        )
    now_us = time.time_ns() // 1000
    if last:
        return now_us - _duration_us(last)
    return since_us("--since", since, zone, now_us) if since else instant("--from", from_, zone)


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


def _duration_us(text: str) -> int:
    match = _LAST.fullmatch(text)
    if match is None or not int(match[1]):
        raise ConfigurationError(
            "--last is no length of time", value=text, remedy="write 90m, 24h, 7d or 2w"
        )
    duration_us = int(match[1]) * _UNITS_US[match[2]]
    if duration_us > time.time_ns() // 1000:
        raise ConfigurationError(
            "--last reaches back beyond 1970", value=text, remedy="leave it out to see everything"
        )
    return duration_us


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(name)
    except ValueError:
        raise ConfigurationError(
            "no such time zone",
            value=name,
            where="--tz",
            remedy="write Europe/Berlin, America/New_York or UTC; where there are none at all: pip install tzdata",
        ) from None
