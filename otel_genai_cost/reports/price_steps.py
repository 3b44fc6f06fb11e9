"""What a model cost at which time, by the price book's dated rows: a line of steps for each leaf, as SVG that needs
nothing but the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from html import escape
from typing import Final, NamedTuple

from otel_genai_cost.pricing.book import PER_TOKENS, Price

__all__ = ["PriceLine", "Step", "plot_prices", "price_lines", "rows_that_hold"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 14, 34
_TICKS: Final = 4
_DATE_PX: Final = 76
_LINES_MAX: Final = 7
_ORDER: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "reasoning")


class Step(NamedTuple):
    """A published price and when it holds: unix microseconds, the end exclusive, None while it does."""

    from_us: int
    to_us: int | None
    price: str
    source: str


class PriceLine(NamedTuple):
    """The prices of a million tokens of one leaf, in the order of time."""

    leaf: str
    currency: str
    steps: tuple[Step, ...]


def rows_that_hold(rows: Iterable[Price]) -> list[Price]:
    """Those that no later row corrected, in the same order.

    Args:
        rows: every row of a model.
    """
    every = list(rows)
    gone = {row.supersedes for row in every}
    return [row for row in every if row.id not in gone]


def price_lines(rows: Iterable[Price]) -> list[PriceLine]:
    """The prices without conditions, of token leaves; those of tiers, regions and batches are in the table alone.

    Args:
        rows: of one model, in the order of time.
    """
    found: dict[tuple[str, str], list[Step]] = {}
    for row in rows_that_hold(rows):
        if row.when or row.refuse:
            continue
        for leaf, rate in row.rates.items():
            if rate.per == PER_TOKENS:
                step = Step(row.valid_from_us, row.valid_to_us, rate.unit_price, row.source.name)
                found.setdefault((leaf, row.currency), []).append(step)
    lines = [PriceLine(leaf, currency, tuple(steps)) for (leaf, currency), steps in found.items()]
    return sorted(lines, key=_order)[:_LINES_MAX]


def _order(line: PriceLine) -> tuple[int, str]:
    known = _ORDER.index(line.leaf) if line.leaf in _ORDER else len(_ORDER)
    return known, line.leaf


class _Frame(NamedTuple):
    """Where a plot has its parts: pixels, and what its axes go from and to."""

    width: int
    from_us: int
    to_us: int
    top: Decimal

    def x(self, us: int) -> Decimal:
        inside = min(max(us, self.from_us), self.to_us) - self.from_us
        room = self.width - _LEFT - _RIGHT
        return _LEFT + Decimal(inside) * room / max(1, self.to_us - self.from_us)

    def y(self, price: Decimal) -> Decimal:
        return _HEIGHT - _BOTTOM - price / self.top * (_HEIGHT - _TOP - _BOTTOM)


def plot_prices(
    lines: Sequence[PriceLine], now_us: int, title: str, *, width: int = 920, css: str = ""
) -> str:
    """The SVG of some lines; "" without any.

    Args:
        lines: of one currency; each has the colour of its place.
        now_us: until when, unix microseconds.
        title: what is shown, for who cannot see it.
        width: in pixels.
        css: further classes of the picture.
    """
    steps = [step for line in lines for step in line.steps]
    if not steps:
        return ""
    from_us = min(step.from_us for step in steps)
    highest = max(Decimal(step.price) for step in steps)
    frame = _Frame(width, from_us, max(now_us, from_us + 1), highest or Decimal(1))
    parts = [_grid(frame), *(_line(line, place, frame) for place, line in enumerate(lines))]
    parts.append(_dates(sorted({step.from_us for step in steps}), frame))
    return (
        f'<svg class="plot steps {css}" viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _grid(frame: _Frame) -> str:
    parts: list[str] = []
    for tick in range(_TICKS + 1):
        price = frame.top * tick / _TICKS
        y = frame.y(price)
        parts.append(
            f'<line x1="{_LEFT}" x2="{frame.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{price.normalize():f}</text>'
        )
    return "".join(parts)


def _line(line: PriceLine, place: int, frame: _Frame) -> str:
    """A step for each price, without one between where nothing is known; a dot where each begins."""
    path, dots = "", ""
    last: tuple[int | None, Decimal] = (None, Decimal(0))
    for step in line.steps:
        y = frame.y(Decimal(step.price))
        begin = frame.x(step.from_us)
        end = frame.x(frame.to_us if step.to_us is None else step.to_us)
        path += f"V{y:.1f}" if last[0] == step.from_us else f"M{begin:.1f} {y:.1f}"
        path += f"H{end:.1f}"
        last = (step.to_us, y)
        tip = f"{_date(step.from_us)}: {line.leaf} {step.price} {line.currency} ({step.source})"
        dots += f'<circle class="c{place}" cx="{begin:.1f}" cy="{y:.1f}" r="4"><title>{escape(tip)}</title></circle>'
    return f'<path class="line{place}" d="{path}"/>{dots}'


def _dates(begins: Sequence[int], frame: _Frame) -> str:
    """The days on which prices begin, the first and as many of the others as have room; and that of now."""
    shown: list[int] = [frame.to_us]
    for us in begins:
        if all(abs(frame.x(us) - frame.x(other)) >= _DATE_PX for other in shown):
            shown.append(us)
    texts = ""
    for us in shown:
        anchor = "end" if us == frame.to_us else "start" if us == begins[0] else "middle"
        texts += f'<text x="{frame.x(us):.1f}" y="{_HEIGHT - 12}" text-anchor="{anchor}">{_date(us)}</text>'
    return texts


def _date(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).date().isoformat()
