"""Horizontal plots, a row for each name, as SVG that needs nothing but the page: bars from zero, and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from html import escape
from typing import Final, NamedTuple

__all__ = ["DESK_PX", "PHONE_PX", "Range", "Signed", "plot_ranges", "plot_signed"]

DESK_PX: Final = 920
PHONE_PX: Final = 400
_ROW_PX: Final = 30
_HEAD_PX: Final = 26
_RIGHT_PX: Final = 92
_EDGE_PX: Final = 16
_CHARACTER_PX: Final = 6
_LEAST: Final = Decimal(2)
_LABEL_PX: Final = 44
_FULL: Final = Decimal(100)


class Signed(NamedTuple):
    """A bar from zero: its name, how many per cent, the text beside it, and its CSS class."""

    name: str
    percent: Decimal
    text: str
    css: str


class Range(NamedTuple):
    """From `low` to `high` with a mark between or beyond: its name, and the text beside it."""

    name: str
    low: Decimal
    mark: Decimal
    high: Decimal
    text: str


class _Frame(NamedTuple):
    """Where a plot of some width has its parts, in pixels."""

    width: int
    left: int
    height: int

    @property
    def space(self) -> int:
        return self.width - self.left - _RIGHT_PX


def _frame(width: int, count: int) -> _Frame:
    return _Frame(width, width // 4 + 20, _HEAD_PX + count * _ROW_PX + _EDGE_PX)


def _svg(frame: _Frame, title: str, css: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="plot {css}" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{escape(title)}"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def _texts(frame: _Frame, row: int, name: str, text: str) -> str:
    y = _HEAD_PX + row * _ROW_PX + _ROW_PX // 2 + 4
    room = (frame.left - _EDGE_PX - 8) // _CHARACTER_PX
    shown = name if len(name) <= room else f"{name[: room - 1]}…"
    return (
        f'<text x="{frame.left - 10}" y="{y}" text-anchor="end">{escape(shown)}<title>{escape(name)}</title></text>'
        f'<text class="figure" x="{frame.width - _EDGE_PX}" y="{y}" text-anchor="end">{escape(text)}</text>'
    )


def _axis(frame: _Frame, x: Decimal, label: str, css: str = "") -> str:
    kind = f' class="{css}"' if css else ""
    return (
        f'<line{kind} x1="{x:.1f}" x2="{x:.1f}" y1="{_HEAD_PX - 4}" y2="{frame.height - _EDGE_PX + 4}"/>'
        f'<text x="{x:.1f}" y="{_HEAD_PX - 11}" text-anchor="middle">{escape(label)}</text>'
    )


def plot_signed(
    bars: Sequence[Signed], target: Decimal, title: str, *, width: int = DESK_PX, css: str = ""
) -> str:
    """Bars from zero to a per cent, to both sides; what is beyond -100 or 100 ends there, and its text says how far.

    Args:
        bars: from the top down.
        target: where a line marks what they should come to, in per cent.
        title: what is shown, for who cannot see it.
        width: in pixels.
        css: further classes of the picture.
    """
    frame = _frame(width, len(bars))
    least = Decimal(-100) if any(bar.percent < 0 for bar in bars) else Decimal(0)

    def x(percent: Decimal) -> Decimal:
        at = (min(max(percent, least), _FULL) - least) / (_FULL - least)
        return frame.left + at * frame.space

    ticks = [tick for tick in (Decimal(-100), Decimal(0), _FULL) if tick >= least]
    parts = [
        _axis(frame, x(tick), f"{tick:f} %" if abs(x(tick) - x(target)) > _LABEL_PX else "")
        for tick in ticks
    ]
    parts.append(_axis(frame, x(target), f"{target.normalize():f} %", "target"))
    for row, bar in enumerate(bars):
        zero, end, y = x(Decimal(0)), x(bar.percent), _HEAD_PX + row * _ROW_PX + 7
        thick = max(abs(end - zero), Decimal("1.5"))
        parts.append(
            f'<rect class="{bar.css}" x="{min(zero, end):.1f}" y="{y}" width="{thick:.1f}" height="{_ROW_PX - 14}" '
            f'rx="2"><title>{escape(bar.name)} · {escape(bar.text)}</title></rect>'
        )
        parts.append(_texts(frame, row, bar.name, bar.text))
    return _svg(frame, title, css, parts)


def plot_ranges(
    rows: Sequence[Range], unit: str, title: str, *, width: int = DESK_PX, css: str = ""
) -> str:
    """Ranges from nothing on, on one scale, each with its mark.

    Args:
        rows: from the top down.
        unit: of all figures.
        title: what is shown, for who cannot see it.
        width: in pixels.
        css: further classes of the picture.
    """
    frame = _frame(width, len(rows))
    top = max([*(max(row.high, row.mark) for row in rows), Decimal(0)]) or Decimal(1)

    def x(amount: Decimal) -> Decimal:
        return frame.left + max(amount, Decimal(0)) / top * frame.space

    parts = [_axis(frame, x(Decimal(0)), "0"), _axis(frame, x(top), f"{top:.3g} {unit}")]
    for row, one in enumerate(rows):
        y = _HEAD_PX + row * _ROW_PX + _ROW_PX // 2
        begin, end = x(one.low), x(one.high)
        tip = f"{one.name} · {one.text}"
        parts.append(
            f'<rect class="c0" x="{begin:.1f}" y="{y - 4}" width="{max(end - begin, _LEAST):.1f}" height="8" rx="4">'
            f"<title>{escape(tip)}</title></rect>"
            f'<circle class="mark" cx="{x(one.mark):.1f}" cy="{y}" r="5"><title>{escape(tip)}</title></circle>'
        )
        parts.append(_texts(frame, row, one.name, one.text))
    return _svg(frame, title, css, parts)
