"""The words of a notice: a template for each audience and kind. Pure.

Templates are constants; what came from outside is only ever put into them, as text that no receiver reads as markup. A
line whose facts are not there is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.limits.notice import NOTICE_KINDS, Notice, visible_facts
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.vocabulary import word

__all__ = ["Message", "inert", "render"]


class Message(NamedTuple):
    """A notice as a channel sends it.

    Attributes:
        id: Under which the receiver knows it; the same whenever it is sent.
        notice: What it is about.
        facts: Those of the notice that its audience may see.
        title: One line.
        text: A few lines.
    """

    id: str
    notice: Notice
    facts: Mapping[str, Any]
    title: str
    text: str


class _Template(NamedTuple):
    title: str
    lines: tuple[str, ...]


_WHERE: Final = "Scope: {scope}"
_PERIOD: Final = "Period: {period_from} to {period_to}, {zone}"
_SUMS: Final = "{booked} {currency} of {hard} {currency} are used."
_COMMITTED: Final = "{committed} {currency} of {hard} {currency} are used or held."
_MARKS: Final = "Crossed: {marks}"

_TEAM: Final[Mapping[str, _Template]] = {
    "crossed": _Template(
        "Budget {budget} of {tenant} is at {percent} %",
        (_MARKS, _SUMS, _WHERE, _PERIOD, "Counted: {side}"),
    ),
    "resolved": _Template(
        "Budget {budget} of {tenant} is below {marks} again",
        ("It is at {percent} %.", _SUMS, _WHERE, _PERIOD, "Counted: {side}"),
    ),
    "late": _Template(
        "Budget {budget} of {tenant} came to {percent} % in a past period",
        (_MARKS, _SUMS, _WHERE, _PERIOD),
    ),
    "blocked": _Template(
        "Calls of {tenant} are blocked by budget {budget}",
        (_COMMITTED, _WHERE, "Until: {reset}"),
    ),
    "top_up": _Template(
        "Credits of {tenant} run low", ("{available} {currency} are left; the mark is {below}.",)
    ),
    "expiring": _Template(
        "Credits of {tenant} will soon be void", ("{expiring} {currency} on {expires}",)
    ),
    "anomaly": _Template(
        "Unusual cost of {tenant}: {rule}",
        ("{observed} {currency}; {expected} {currency} were to be expected.", _WHERE),
    ),
    "upgrade": _Template(
        "{tenant} uses more than plan {plan} is meant for",
        (
            "{observed} {currency} of cost; fair is up to {expected} {currency}, by {rule}.",
            "Calls: {calls}",
            "Dearest features: {features}",
            _PERIOD,
            "Nothing is blocked.",
        ),
    ),
    "no_data": _Template(
        "No calls of {tenant}", ("The last one was in the hour from {last}.", "It always calls.")
    ),
    "data_again": _Template("{tenant} calls again", ("It was silent since {last}.",)),
    "channel_disabled": _Template(
        "The channel {disabled} is disabled",
        (
            "{reason}",
            "Mend it and set it again: genai-cost alerts set, then genai-cost alerts retry",
        ),
    ),
    "digest": _Template("{count} notices about what is past", ("{notices}",)),
    "test": _Template("A test of this channel", ("Nothing happened.",)),
    "watchdog": _Template(
        "All is well", ("Alerts work; the last entry was booked at {booked_at}.",)
    ),
}

_TENANT: Final[Mapping[str, _Template]] = {
    "crossed": _Template("{percent} % of your limit are used", (_MARKS, _SUMS, _WHERE, _PERIOD)),
    "resolved": _Template(
        "You are below {marks} of your limit again",
        ("You are at {percent} %.", _SUMS, _PERIOD),
    ),
    "late": _Template(
        "You came to {percent} % of your limit in a past period", (_SUMS, _WHERE, _PERIOD)
    ),
    "blocked": _Template(
        "Your limit is reached", (_COMMITTED, _WHERE, "Calls are refused until {reset}.")
    ),
    "top_up": _Template("Your credits run low", ("{available} {currency} are left.",)),
    "expiring": _Template(
        "Credits of yours will soon be void", ("{expiring} {currency} on {expires}",)
    ),
    "digest": _Template("{count} notices about what is past", ("{notices}",)),
    "test": _Template("A test of this channel", ("Nothing happened.",)),
}
_OTHER: Final = _Template("Notice", (_WHERE, _PERIOD))

_MARKUP: Final = re.compile(r"[<>&@*`~\[\](){}|\\#!$^\"]|(?<=:)//")
"""What some receiver reads as markup, a mention, a link or a command."""

_FULL_WIDTH: Final = 0xFEE0
"""From an ASCII character to the one that looks like it and means nothing."""

_CALENDAR_END_US: Final = 253_402_300_799_000_000
_NAME_MAX: Final = 120
_DIGEST_MAX: Final = 50


def inert(text: str) -> str:
    """A name from outside as one line that is read as text by every receiver: controls, separators and marks of
    direction are replaced, and what could be markup by characters that look like it."""
    if len(text) > _NAME_MAX:
        text = f"{text[: _NAME_MAX - 1]}…"
    if not text.isprintable():
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return _MARKUP.sub(lambda found: _wide(found.group()), text)


def _wide(characters: str) -> str:
    return "".join(chr(ord(one) + _FULL_WIDTH) for one in characters)


def render(notice: Notice, letter_id: str) -> Message:
    """The message of a notice to its audience.

    Args:
        notice: what is to be said.
        letter_id: the id under which the receiver knows it.
    """
    facts = visible_facts(notice)
    title, text = _written(notice, facts)
    return Message(id=letter_id, notice=notice, facts=facts, title=title, text=text)


def _written(notice: Notice, facts: Mapping[str, Any]) -> tuple[str, str]:
    templates = _TEAM if notice.audience == "team" else _TENANT
    template = templates.get(notice.kind, _OTHER)
    words = _words(notice, facts)
    lines = (_line(one, words) for one in template.lines)
    title = _line(template.title, words) or notice.kind.replace("_", " ")
    return title, "\n".join(one for one in lines if one)


def _line(template: str, words: Mapping[str, str]) -> str:
    """The line; "" if one of its facts is not there."""
    names = {name for _, name, _, _ in Formatter().parse(template) if name}
    return template.format_map(words) if names <= words.keys() else ""


def _words(notice: Notice, facts: Mapping[str, Any]) -> dict[str, str]:
    words = {"tenant": inert(notice.tenant or "the organisation")}
    for name, value in facts.items():
        if value is not None:
            words[name.removesuffix("_us")] = _word(name, value, notice)
    if marks := _marks(facts):
        words["marks"] = marks
    return words


def _marks(facts: Mapping[str, Any]) -> str:
    """Everything that was crossed at once."""
    marks = [f"{one} %" for one in facts.get("thresholds") or ()]
    return ", ".join([*marks, *(["the soft limit"] if facts.get("soft_reached") else [])])


def _word(name: str, value: object, notice: Notice) -> str:
    if name.endswith("_us") and isinstance(value, int):
        return _instant(value)
    if name == "notices" and isinstance(value, list):
        return _digest(cast("list[Mapping[str, Any]]", value), notice)
    return inert(str(value))


def _instant(us: int) -> str:
    """The instant; of a budget without end, the calendar's."""
    return rfc3339(max(0, min(us, _CALENDAR_END_US)))


def _digest(parts: Sequence[Mapping[str, Any]], notice: Notice) -> str:
    """A line for each notice that a digest stands for."""
    lines = [_written(_part(part, notice), part)[0] for part in parts[:_DIGEST_MAX]]
    more = len(parts) - len(lines)
    return "\n".join([*lines, *([f"and {more} more"] if more else [])])


def _part(facts: Mapping[str, Any], digest: Notice) -> Notice:
    tenant = facts.get("of") if digest.audience == "team" else digest.tenant
    kind = word(facts.get("kind"), NOTICE_KINDS, "late")
    return digest._replace(
        kind="late" if kind == "crossed" else kind,
        tenant=tenant if isinstance(tenant, str) else None,
    )
