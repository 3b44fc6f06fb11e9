"""What a request asks for, read from its address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Final, Literal, NamedTuple, TypeVar
from urllib.parse import urlencode

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import local_clock
from otel_genai_cost.reports.asking import Texts, selection_of, zone_named
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.vocabulary import SIDES

__all__ = ["PERIODS", "Asked", "Defaults", "Form", "asked_of", "month_before"]

_T = TypeVar("_T", bound=str)

Form = Literal["html", "csv"]
"""How a page answers."""

Period = Literal["month", "last-month", "all", "own"]
"""A calendar month, the one before, everything, or what `from`, `to`, `last` and `since` say."""

PERIODS: Final[tuple[Period, ...]] = ("month", "last-month", "all")
_FORMS: Final[tuple[Form, ...]] = ("html", "csv")
_BOUNDS: Final = ("from", "to", "last", "since")
_PAGES_MAX: Final = 1_000_000
_NAMES: Final = ("tenant", "model", "feature")
_EVERYWHERE: Final = frozenset({"period", "tz", "side", "as-of", *_BOUNDS})


class Defaults(NamedTuple):
    """What holds where an address says nothing.

    Attributes:
        tz: whose days and hours.
        now_us: the present, unix microseconds.
        last_us: when the last call ended, likewise; None before the first.
    """

    tz: str
    now_us: int
    last_us: int | None


class Asked(NamedTuple):
    """What is asked for.

    Attributes:
        selection: which calls; of what a view is given, only those that its viewer may see.
        period: how their time was given.
        form: how to answer.
        page: which page of a long list, from 1.
        q: what is looked for.
        query: the address's texts, in their order.
        path: the parts of the path that are names.
        now_us: the present, unix microseconds.
    """

    selection: Selection
    period: Period
    form: Form
    page: int
    q: str
    query: tuple[tuple[str, str], ...]
    path: Mapping[str, str]
    now_us: int

    def text(self, name: str) -> str:
        """The last value of a parameter; "" without one.

        Args:
            name: of the parameter.
        """
        return next((value for key, value in reversed(self.query) if key == name), "")

    def word(self, name: str, words: Sequence[_T]) -> _T:
        """A parameter's word; the first of them where it is not given.

        Args:
            name: of the parameter.
            words: what it may be.

        Raises:
            ConfigurationError: if it is another.
        """
        return _word(name, self.text(name), words)

    def link(self, path: str, **changes: object) -> str:
        """An address: the same question but for some parameters; the page's number is left out.

        Args:
            path: of the page.
            changes: parameters that are other; "" or None for those that are to go. `from_` stands for `from`.
        """
        new = {name.rstrip("_"): value for name, value in changes.items()}
        kept = [(k, v) for k, v in self.query if k not in new and k not in ("page", "format") and v]
        added = [(k, str(v)) for k, v in new.items() if v not in ("", None)]
        query = urlencode([*kept, *added])
        return f"{path}?{query}" if query else path

    def link_in(self, period: str, path: str, **changes: object) -> str:
        """An address: the same question of another time.

        Args:
            period: one of `PERIODS`.
            path: of the page.
            changes: as `link` has them.
        """
        return self.link(path, **{**changes, **dict.fromkeys(_BOUNDS), "period": period})

    def elsewhere(self, path: str) -> str:
        """The address of another page for the same time, zone and side, without what only this one understands.

        Args:
            path: of the page.
        """
        query = urlencode([(k, v) for k, v in self.query if k in _EVERYWHERE and v])
        return f"{path}?{query}" if query else path

    @property
    def filters(self) -> tuple[tuple[str, str, str], ...]:
        """What calls are limited to: the parameter, its value, and the address without it."""
        return tuple(
            (name, value, self.link("", **{name: None}))
            for name, value in self.query
            if name in _NAMES and value
        )

    @property
    def is_month(self) -> bool:
        """Whether its time is a calendar month."""
        return self.period in ("month", "last-month")

    @property
    def zone(self) -> str:
        """The name of the zone."""
        return str(self.selection.zone)

    @property
    def named(self) -> str:
        """The stretch of time as people say it, and whose clock."""
        return f"{self._said()}, {self.zone}"

    def _said(self) -> str:
        if self.is_month:
            return f"{local_clock(self.selection.from_us or 0, self.selection.zone):%B %Y}"
        if self.period == "all":
            return "all time"
        last, since = self.text("last"), self.text("since")
        begin = f"the last {last}" if last else f"since {since}" if since else ""
        begin = begin or (f"from {self.text('from')}" if self.text("from") else "")
        return " ".join([begin, f"before {self.text('to')}" if self.text("to") else ""]).strip()

    @property
    def span(self) -> str:
        """The stretch of time in words."""
        return self.selection.span or "all time"


def asked_of(
    query: Iterable[tuple[str, str]], path: Mapping[str, str], defaults: Defaults
) -> Asked:
    """What an address asks for.

    Args:
        query: its parameters, which may be repeated; those that nobody knows change nothing.
        path: the parts of the path that are names.
        defaults: what holds where it says nothing.

    Raises:
        ConfigurationError: for a value that cannot be used: what, the value, what to write instead.
    """
    known = tuple(query)
    last = {key: value for key, value in known if value}
    period = _period(last)
    texts = Texts(
        from_=last.get("from", ""),
        to=last.get("to", ""),
        last=last.get("last", ""),
        since=last.get("since", ""),
        tz=last.get("tz", defaults.tz),
        **{f"{name}s": tuple(v for k, v in known if k == name and v) for name in _NAMES},
        as_of=last.get("as-of", ""),
    )
    return Asked(
        selection=_selection(_within(texts, period, defaults), last),
        period=period,
        form=_word("format", last.get("format", ""), _FORMS),
        page=_page(last.get("page", "1")),
        q=last.get("q", ""),
        query=known,
        path=path,
        now_us=defaults.now_us,
    )


def _selection(texts: Texts, last: Mapping[str, str]) -> Selection:
    return selection_of(texts, prefix="")._replace(side=_word("side", last.get("side", ""), SIDES))


def _period(last: Mapping[str, str]) -> Period:
    """Raises ConfigurationError for one there is none of, and for two."""
    given = [name for name in _BOUNDS if name in last]
    if given and "period" in last:
        raise ConfigurationError(
            f"period and {given[0]} both say which time is meant", remedy="pass one of them"
        )
    return "own" if given else _word("period", last.get("period", ""), PERIODS)


def _within(texts: Texts, period: Period, defaults: Defaults) -> Texts:
    """The same with the beginning and the end of a period: of the month that is now, or the last that had any calls."""
    if period in ("own", "all"):
        return texts
    zone = zone_named(texts.tz, "tz")
    at_us = defaults.now_us if defaults.last_us is None else min(defaults.now_us, defaults.last_us)
    first = local_clock(at_us, zone).date().replace(day=1)
    if period == "last-month":
        first = month_before(first)
    last = (first + timedelta(days=31)).replace(day=1)
    return texts._replace(from_=first.isoformat(), to=last.isoformat())


def month_before(day: date) -> date:
    """The first day of the month before a day's.

    Args:
        day: of the month.
    """
    return (day.replace(day=1) - timedelta(days=1)).replace(day=1)


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:8]) <= _PAGES_MAX):
        raise ConfigurationError(
            "page is no number of a page", value=text, remedy="write 1 for the first"
        )
    return int(text)


def _word(name: str, text: str, words: Sequence[_T]) -> _T:
    if not text:
        return words[0]
    for one in words:
        if one == text:
            return one
    raise ConfigurationError(
        f"{name} is none of its words", value=text, remedy=f"write {' or '.join(words)}"
    )
