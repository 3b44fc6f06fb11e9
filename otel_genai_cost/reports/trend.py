"""The trend: a stacked bar for each stretch of time, as SVG that needs nothing but the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Final, NamedTuple

__all__ = ["Bar", "Pictures", "pictures", "plot"]

_HEIGHT: Final = 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 14, 16, 34
_TICKS: Final = 4
_LABEL_WIDTH: Final = 100
_PHONE_BARS: Final = 10
_PHONE_WIDTH: Final = 400


class Bar(NamedTuple):
    """One stretch of time: its label, and the amount of each series that has any."""

    label: str
    amounts: Mapping[str, Decimal]

    @property
    def total(self) -> Decimal:
        """The height of the bar."""
        return sum(self.amounts.values(), Decimal(0))


class Pictures(NamedTuple):
    """The same bars twice; the style shows one of both.

    Attributes:
        svg: all bars where there is room, and the latest of them for a phone.
        phone_bars: how many those are.
    """

    svg: str
    phone_bars: int


def pictures(
    bars: Sequence[Bar],
    colours: Mapping[str, str],
    unit: str,
    *,
    target: Decimal | None = None,
    title: str = "",
    phone_bars: int = _PHONE_BARS,
) -> Pictures:
    """The SVG of some bars, for a desk and for a phone.

    Args:
        bars: in the order of time.
        colours: the CSS class of each series, in the order in which every bar stacks them.
        unit: what amounts are in.
        target: where to draw a line across both.
        title: what both show; "" for cost over time.
        phone_bars: how many a phone shows at most.
    """
    latest = bars[-phone_bars:]
    desk = plot(bars, colours, unit, css="desk", target=target, title=title)
    phone = plot(latest, colours, unit, width=_PHONE_WIDTH, css="phone", target=target, title=title)
    return Pictures(desk + phone, len(latest))


def plot(
    bars: Sequence[Bar],
    colours: Mapping[str, str],
    unit: str,
    *,
    width: int = 920,
    css: str = "",
    target: Decimal | None = None,
    title: str = "",
) -> str:
    """The SVG of some bars.

    Args:
        bars: in the order of time.
        colours: the CSS class of each series, in the order in which every bar stacks them.
        unit: what amounts are in.
        width: in pixels.
        css: further classes of the picture.
        target: where to draw a line across it.
        title: what the picture shows; "" for cost over time.
    """
    top = _nice(max([*(bar.total for bar in bars), target or Decimal(0)]))
    parts = [_grid(top, width), *_bars(bars, colours, top, width), _labels(bars, width)]
    parts += [] if target is None else [_target(target, top, width)]
    highest = max((bar.total for bar in bars), default=0)
    title = title or f"Cost over time in {unit}, {len(bars)} bars, highest {highest}"
    return (
        f'<svg class="plot trend {css}" viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _nice(highest: Decimal) -> Decimal:
    """The next of 1, 2, 5 times a power of ten."""
    if highest <= 0:
        return Decimal(1)
    power = Decimal(10) ** highest.adjusted()
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest)


def _y(amount: Decimal, top: Decimal) -> Decimal:
    return _HEIGHT - _BOTTOM - amount / top * (_HEIGHT - _TOP - _BOTTOM)


def _grid(top: Decimal, width: int) -> str:
    lines: list[str] = []
    for tick in range(_TICKS + 1):
        amount = top * tick / _TICKS
        y = _y(amount, top)
        label = f"{amount.normalize():f}"
        lines.append(
            f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
        )
    return "".join(lines)


def _target(target: Decimal, top: Decimal, width: int) -> str:
    y = _y(target, top)
    return (
        f'<line class="target" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}">'
        f"<title>{target.normalize():f}</title></line>"
    )


def _slot(bars: Sequence[Bar], width: int) -> Decimal:
    return Decimal(width - _LEFT - _RIGHT) / max(1, len(bars))


def _bars(bars: Sequence[Bar], colours: Mapping[str, str], top: Decimal, width: int) -> list[str]:
    slot = _slot(bars, width)
    thick = min(slot * Decimal("0.72"), Decimal(64))
    parts: list[str] = []
    for at, bar in enumerate(bars):
        x = _LEFT + slot * at + (slot - thick) / 2
        below = Decimal(0)
        for name in colours:
            if (amount := bar.amounts.get(name)) is None:
                continue
            y, foot = _y(below + amount, top), _y(below, top)
            below += amount
            tip = escape(f"{bar.label} · {name} · {amount.normalize():f}")
            parts.append(
                f'<rect class="{colours[name]}" x="{x:.1f}" y="{y:.1f}" width="{thick:.1f}" '
                f'height="{max(foot - y, Decimal(0)):.2f}"><title>{tip}</title></rect>'
            )
    return parts


def _labels(bars: Sequence[Bar], width: int) -> str:
    """So many that they don't run into each other, the last bar's among them."""
    slot, step = _slot(bars, width), max(1, -(-len(bars) // (width // _LABEL_WIDTH)))
    return "".join(
        f'<text x="{_LEFT + slot * at + slot / 2:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">'
        f"{escape(bar.label)}</text>"
        for at, bar in enumerate(bars)
        if (len(bars) - 1 - at) % step == 0
    )
