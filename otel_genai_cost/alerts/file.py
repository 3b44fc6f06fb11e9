"""Channels as people write them: `alerts.toml`, or the options of a command. Every problem in one go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.alerts.channel import sender_type
from otel_genai_cost.errors import (
    ChannelsError,
    ConfigurationError,
    MissingExtraError,
    Problem,
)
from otel_genai_cost.limits.notice import AUDIENCES, NOTICE_KINDS, Audience
from otel_genai_cost.pricing.written_tables import written_tables
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.vocabulary import word

__all__ = ["WrittenChannel", "channel_events", "channels_in"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_OWN: Final = ("name", "kind", "audience", "tenant", "kinds")
"""What every channel has; the rest is of its kind."""

_WATCHDOG_MIN_S: Final = 10

Defect = tuple[str, str]
"""What is wrong, and what to write."""


class WrittenChannel(NamedTuple):
    """A channel as it was written, and where; `line` is 0 where there is none."""

    values: Mapping[str, Any]
    file: str
    line: int


def channels_in(path: Path) -> list[WrittenChannel]:
    """The channels of a file.

    Raises:
        ConfigurationError: if it cannot be read.
        ChannelsError: if it is no TOML, or something else.
    """
    written = written_tables(path, "channel", ChannelsError)
    lines = written.lines or [0] * len(written.entries)
    return [
        WrittenChannel(entry, str(path), line)
        for entry, line in zip(written.entries, lines, strict=True)
    ]


def channel_events(written: Sequence[WrittenChannel], now_us: int) -> list[dict[str, Any]]:
    """The events that set these channels.

    Args:
        written: each as somebody wrote it.
        now_us: from when they hold, unix microseconds.

    Raises:
        ChannelsError: with every problem, if one is broken; then nothing is to be set.
    """
    problems = [
        Problem(one.file, one.line, *defect) for one in written for defect in _defects(one.values)
    ]
    problems += _doubles(written)
    if problems:
        raise ChannelsError(tuple(problems))
    return [_event(one.values, now_us) for one in written]


def _event(values: Mapping[str, Any], now_us: int) -> dict[str, Any]:
    return {
        "type": "channel_set",
        "name": values["name"],
        "at_us": now_us,
        "kind": values["kind"],
        "audience": values.get("audience", "team"),
        "tenant": values.get("tenant"),
        "kinds": list(values.get("kinds", [])),
        "settings": _settings(values),
    }


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in _OWN}


def _doubles(written: Iterable[WrittenChannel]) -> Iterator[Problem]:
    seen: set[object] = set()
    for one in written:
        name = str(one.values.get("name"))
        if name in seen:
            yield Problem(
                one.file, one.line, f"a second channel {name[:80]!r}", "name it otherwise"
            )
        seen.add(name)


def _defects(values: Mapping[str, Any]) -> Iterator[Defect]:
    name: object = values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield (
            f"name is {str(name)[:80]!r}",
            "write 1 to 64 of A-Za-z0-9._-, the first a letter or digit",
        )
    yield from _audience_defects(values)
    kinds: object = values.get("kinds", [])
    wrong = (
        [one for one in cast("list[object]", kinds) if one not in NOTICE_KINDS]
        if isinstance(kinds, list)
        else [kinds]
    )
    if wrong:
        yield f"kinds has {str(wrong[0])[:80]!r}", f"write a list of {', '.join(NOTICE_KINDS)}"
    yield from _settings_defects(values)


def _audience_defects(values: Mapping[str, Any]) -> Iterator[Defect]:
    audience, tenant = values.get("audience", "team"), values.get("tenant")
    if audience not in AUDIENCES:
        yield f"audience is {str(audience)[:80]!r}", f"write {' or '.join(AUDIENCES)}"
    if tenant is not None and tenant_id_of(tenant) is None:
        yield f"tenant is {str(tenant)[:80]!r}, which is no tenant id", "write it as on the calls"
    if audience == "tenant" and tenant is None:
        yield "a tenant's channel without tenant", "add tenant: whose notices it carries"


def _settings_defects(values: Mapping[str, Any]) -> Iterator[Defect]:
    watchdog_s: object = values.get("watchdog_s", _WATCHDOG_MIN_S)
    if type(watchdog_s) is not int or watchdog_s < _WATCHDOG_MIN_S:
        yield (
            f"watchdog_s is {str(watchdog_s)[:80]!r}",
            f"write whole seconds, {_WATCHDOG_MIN_S} or more",
        )
    try:
        kind = sender_type(str(values.get("kind")))
    except (ConfigurationError, MissingExtraError) as error:
        yield str(error), "write kind = 'webhook', for example"
        return
    audience: Audience = word(values.get("audience", "team"), AUDIENCES, "tenant")
    for problem in kind.problems(_settings(values), audience):
        what, _, remedy = problem.partition("; ")
        yield what, remedy
