"""Cost over time, stacked, as a picture that needs no script and a table that one can read out or draw by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Final, Literal, NamedTuple

from markupsafe import Markup

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.tenants.named import name_of
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.reports.printable import shortened
from otel_genai_cost.reports.registered import shown_tenant
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import EXACT, Group
from otel_genai_cost.reports.timeline import LENGTHS, beginnings, label
from otel_genai_cost.reports.trend import Bar, pictures

__all__ = ["BYS", "By", "Chart", "Stretch", "charts", "key_name", "over_time", "stretch"]

By = Literal["tenant", "model", "feature"]
BYS: Final[tuple[By, ...]] = ("tenant", "model", "feature")

_UNITS: Final[Mapping[str, timedelta]] = {
    unit: LENGTHS[unit] for unit in ("hour", "day", "week", "month", "year")
}
_COLOURS: Final = 7
_BARS: Final = 62
_BARS_MAX: Final = 130
_ROWS_MAX: Final = 25_000
_OTHERS: Final = "others"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Stretch(NamedTuple):
    """What the bars of a chart stand for.

    Attributes:
        unit: `hour` to `year`.
        units: those that give neither one bar nor too many.
        begins: of each bar, as a report names it.
    """

    unit: str
    units: tuple[str, ...]
    begins: tuple[str, ...]


class Series(NamedTuple):
    """What bars are stacked of.

    Attributes:
        name: as people read it.
        css: the class of its colour.
        asked: how an address names it; None of what is left.
    """

    name: str
    css: str
    asked: str | None


class Row(NamedTuple):
    """A bar as a row of a table.

    Attributes:
        begin: when it begins, as a report names it.
        at_s: the same in seconds since 1970.
        label: the same, short.
        amounts: of each series, in their order; None for nothing.
        total: of all.
    """

    begin: str
    at_s: int
    label: str
    amounts: tuple[Decimal | None, ...]
    total: Decimal


class Chart(NamedTuple):
    """The bars of one currency.

    Attributes:
        currency: of every amount.
        series: in the order in which they are stacked.
        rows: the bars.
        picture: of all of them for a desk, and of the latest for a phone.
        phone_bars: how many those are.
        target: what a bar comes to if a budget is used up evenly; None without one.
    """

    currency: str
    series: tuple[Series, ...]
    rows: tuple[Row, ...]
    picture: Markup
    phone_bars: int
    target: Decimal | None


def stretch(data: Data, asked: Asked) -> Stretch | None:
    """What the bars of a period stand for; None where there are no calls at all.

    Args:
        data: says when there were any.
        asked: for the period, and perhaps the unit.

    Raises:
        ConfigurationError: for a unit that gives too many bars.
    """
    first_us, last_us = data.standing.first_us, data.standing.last_us
    if first_us is None or last_us is None:
        return None
    chosen = asked.selection
    if chosen.from_us is not None:
        first_us = max(first_us, chosen.from_us)
        last_us = max(last_us, data.now_us)
    if chosen.to_us is not None:
        last_us = min(last_us, chosen.to_us - 1)
    last_us = max(first_us, last_us)
    length = timedelta(microseconds=last_us - first_us)
    fits = [unit for unit, one in _UNITS.items() if length <= one * _BARS_MAX] or ["year"]
    usual = next((unit for unit in fits if length <= _UNITS[unit] * _BARS), fits[-1])
    unit = asked.text("unit") or usual
    if unit not in fits:
        raise ConfigurationError(
            "unit is none of those that this period can be shown by",
            value=unit,
            remedy=f"write {' or '.join(fits)}",
        )
    shown = tuple(beginnings(first_us, last_us, unit, chosen.zone))[-_BARS_MAX:]
    return Stretch(unit, tuple(fits), shown)


def key_name(by: str, key: str | None, selection: Selection, last_us: int) -> str:
    """A tenant, model or feature as people read it.

    Args:
        by: which of them.
        key: its id; None for none.
        selection: says who the tenants are.
        last_us: when the last of the calls was.
    """
    if by != "tenant":
        return "none" if key is None else shortened(key)
    return shortened(shown_tenant(selection.directory, key, last_us))


def narrowed_to(by: By, keys: Iterable[str | None], selection: Selection) -> Selection:
    """The calls of some tenants, models or features only; each of them is of the selection already.

    Args:
        by: which of them.
        keys: their ids.
        selection: whose calls.
    """
    if by == "tenant":
        return selection._replace(tenants=tuple(map(name_of, keys)))
    names = tuple("-" if one is None else one for one in keys)
    return selection._replace(models=names) if by == "model" else selection._replace(features=names)


def over_time(
    data: Data, by: By, keys: Sequence[str | None], selection: Selection, chosen: Stretch
) -> list[Group]:
    """What some tenants, models or features come to in each stretch.

    Where all of them have few rows, all are asked for: which are the dearest changes as entries come, and what is asked
    for again is added to.

    Args:
        data: what it is made of.
        by: which of them.
        keys: their ids.
        selection: whose calls.
        chosen: the stretches.
    """
    every = data.report([by], selection)
    if len(every) * len(chosen.begins) <= _ROWS_MAX:
        return data.report([chosen.unit, by], selection, among=keys)
    return data.report([chosen.unit, by], narrowed_to(by, sorted(keys, key=str), selection))


def charts(
    data: Data,
    asked: Asked,
    by: By,
    ranking: Sequence[Group],
    chosen: Stretch,
    targets: Mapping[str, Decimal] | None = None,
) -> list[Chart]:
    """A chart for each currency.

    Args:
        data: what it is made of.
        asked: for which calls.
        by: what bars are stacked by.
        ranking: the same calls grouped by that, the dearest first.
        chosen: what bars stand for.
        targets: where to draw a line, by currency.
    """
    if not ranking:
        return []
    selection, unit = asked.selection, chosen.unit
    keys = list(dict.fromkeys(one.keys[by] for one in ranking))[:_COLOURS]
    whole = _amounts(data.report([unit], selection), [unit])
    found = over_time(data, by, keys, selection, chosen)
    parts = _amounts(found, [unit, by])
    names = _unique([key_name(by, key, selection, data.standing.last_us or 0) for key in keys])
    return [
        _chart(currency, chosen, whole, parts, keys, names, (targets or {}).get(currency), by)
        for currency in dict.fromkeys(one.currency for one in ranking)
    ]


def _unique(names: Sequence[str]) -> list[str]:
    """A series has its amounts by its name; names that differ further on than they are shown are numbered."""
    found: list[str] = [_OTHERS]
    for name in names:
        own, n = name, 1
        while own in found:
            n += 1
            own = f"{name} ({n})"
        found.append(own)
    return found[1:]


_Amounts = Mapping[tuple[str | None, ...], Decimal]


def _amounts(groups: Sequence[Group], names: Sequence[str]) -> _Amounts:
    """By currency and keys."""
    return {
        (one.currency, *(one.keys[name] for name in names)): one.at_least
        for one in groups
        if one.at_least is not None
    }


def _chart(
    currency: str,
    chosen: Stretch,
    whole: _Amounts,
    parts: _Amounts,
    keys: Sequence[str | None],
    names: Sequence[str],
    target: Decimal | None,
    by: By,
) -> Chart:
    rows = [_row(currency, begin, chosen.unit, whole, parts, keys) for begin in chosen.begins]
    series = [
        Series(name, f"c{at}", name_of(key) if by == "tenant" else key or "-")
        for at, (name, key) in enumerate(zip(names, keys, strict=True))
    ]
    if any(row.amounts[-1] is not None for row in rows):
        series.append(Series(_OTHERS, f"c{_COLOURS}", None))
    else:
        rows = [row._replace(amounts=row.amounts[:-1]) for row in rows]
    bars = [_bar(row, series) for row in rows]
    colours = {one.name: one.css for one in series}
    drawn = pictures(bars, colours, currency, target=target)
    return Chart(
        currency=currency,
        series=tuple(series),
        rows=tuple(rows),
        picture=Markup(drawn.svg),
        phone_bars=drawn.phone_bars,
        target=target,
    )


def _row(
    currency: str,
    begin: str,
    unit: str,
    whole: _Amounts,
    parts: _Amounts,
    keys: Sequence[str | None],
) -> Row:
    total = whole.get((currency, begin), Decimal(0))
    amounts = [parts.get((currency, begin, key)) for key in keys]
    rest = total
    for one in amounts:
        rest = rest if one is None else EXACT.subtract(rest, one)
    # as Python reads it: an offset of before 1972 may have seconds, which RFC 3339 does not have
    at_s = (datetime.fromisoformat(begin.replace("Z", "+00:00")) - _EPOCH) // timedelta(seconds=1)
    return Row(begin, at_s, label(begin, unit), (*amounts, rest or None), total)


def _bar(row: Row, series: Sequence[Series]) -> Bar:
    shown = zip(series, row.amounts, strict=True)
    return Bar(row.label, {one.name: amount for one, amount in shown if amount is not None})
