"""A table for a person. Piped, it is as wide as it needs to be; on a terminal it never breaks a word: sentences wrap
between words, and where names and figures still don't fit side by side, a row's figures stand below its names."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.console import Console

from otel_genai_cost.reports.printable import printable

__all__ = ["Table"]

_GAPS: Final = (3, 2)
"""Spaces between columns: as many as fit."""

_INDENT: Final = "  "
_Row = Sequence[str]


class Table:
    """Cells of text, laid out in lines.

    Args:
        columns: the heads.
        rows: a cell for each column; what is not printable in it is replaced.
        right: columns of numbers.
        prose: columns that may wrap between words.
        footer: rows below a rule.
        width: columns of the terminal, None for no limit; default: those of standard output.
    """

    def __init__(
        self,
        columns: _Row,
        rows: Sequence[_Row],
        *,
        right: frozenset[str],
        prose: frozenset[str] = frozenset(),
        footer: Sequence[_Row] = (),
        width: int | None = 0,
    ) -> None:
        self._columns, self._right, self._prose = columns, right, prose
        self._rows = [[printable(cell) for cell in row] for row in rows]
        self._footer = [[printable(cell) for cell in row] for row in footer]
        self._width = _terminal_width() if width == 0 else width
        self._rule = "─" if _shows("─") else "-"

    def lines(self) -> Iterator[str]:
        """The lines, without line breaks."""
        every = [self._columns, *self._rows, *self._footer]
        widths = [max(cell_len(row[at]) for row in every) for at in range(len(self._columns))]
        for gap in _GAPS:
            fitting = self._fitted(widths, gap)
            if fitting is not None:
                return self._side_by_side(fitting, gap)
        return self._stacked()

    def _fitted(self, widths: list[int], gap: int) -> list[int] | None:
        """The widths, those of prose narrowed as far as it takes and words allow; None if it doesn't fit."""
        excess = sum(widths) + gap * (len(widths) - 1) - (self._width or sys.maxsize)
        fitted = list(widths)
        prose = [at for at, name in enumerate(self._columns) if name in self._prose]
        for at in sorted(prose, key=lambda at: -widths[at]):
            if excess > 0:
                narrowed = max(self._longest_word(at), fitted[at] - excess)
                excess -= fitted[at] - narrowed
                fitted[at] = narrowed
        return fitted if excess <= 0 else None

    def _longest_word(self, at: int) -> int:
        cells = [row[at] for row in (*self._rows, *self._footer)]
        words = [self._columns[at], *(word for cell in cells for word in cell.split())]
        return max(map(cell_len, words))

    def _side_by_side(self, widths: list[int], gap: int) -> Iterator[str]:
        def laid_out(row: _Row) -> Iterator[str]:
            cells = [self._wrapped(at, cell, widths[at]) for at, cell in enumerate(row)]
            for n in range(max(map(len, cells))):
                line = [
                    self._padded(at, cell[n] if n < len(cell) else "", widths[at])
                    for at, cell in enumerate(cells)
                ]
                yield (" " * gap).join(line).rstrip()

        yield from map(_bold, laid_out(self._columns))
        yield self._rule * (sum(widths) + gap * (len(widths) - 1))
        for row in self._rows:
            yield from laid_out(row)
        if self._footer:
            yield ""
        for row in self._footer:
            yield from map(_bold, laid_out(row))

    def _wrapped(self, at: int, cell: str, width: int) -> list[str]:
        if self._columns[at] not in self._prose or cell_len(cell) <= width:
            return [cell]
        return textwrap.wrap(cell, width, break_long_words=False, break_on_hyphens=False)

    def _padded(self, at: int, cell: str, width: int) -> str:
        space = " " * (width - cell_len(cell))
        return space + cell if self._columns[at] in self._right else cell + space

    def _stacked(self) -> Iterator[str]:
        """A row's names, and its figures below."""
        names = [at for at, name in enumerate(self._columns) if not self._is_figure(name)]
        figures = [at for at, name in enumerate(self._columns) if self._is_figure(name)]
        yield from map(_bold, self._flow([self._columns[at] for at in names], ""))
        aligned = self._aligned(figures)
        if aligned:
            yield _bold(self._figures(self._columns, figures, aligned))
        yield self._rule * (self._width or 0)
        for row in self._rows:
            yield from self._flow([row[at] for at in names], "")
            yield from self._below(row, figures, aligned)
        if self._footer:
            yield ""
        for row in self._footer:
            yield from map(_bold, self._flow([row[at] for at in names], ""))
            yield from map(_bold, self._below(row, figures, aligned))

    def _is_figure(self, name: str) -> bool:
        return name in self._right or name == "currency"

    def _aligned(self, figures: Sequence[int]) -> list[int]:
        """The widths of the figures side by side; nothing if they don't fit either."""
        every = [self._columns, *self._rows, *self._footer]
        widths = [max(cell_len(row[at]) for row in every) for at in figures]
        whole = sum(widths) + _GAPS[-1] * len(widths)
        return widths if whole <= (self._width or 0) else []

    def _below(self, row: _Row, figures: Sequence[int], aligned: list[int]) -> Iterator[str]:
        if aligned:
            yield self._figures(row, figures, aligned)
        else:
            yield from self._flow([f"{self._columns[at]} {row[at]}" for at in figures], _INDENT)

    def _figures(self, row: _Row, figures: Sequence[int], widths: list[int]) -> str:
        cells = (
            self._padded(at, row[at], width) for at, width in zip(figures, widths, strict=True)
        )
        return (_INDENT + _INDENT.join(cells)).rstrip()

    def _flow(self, cells: Sequence[str], indent: str) -> Iterator[str]:
        """Cells one after another, a new line where the next doesn't fit; sentences wrap between words."""
        line = ""
        for cell in filter(None, cells):
            longer = f"{line}{_INDENT}{cell}" if line else indent + cell
            if line and cell_len(longer) > (self._width or sys.maxsize):
                yield from self._broken(line)
                longer = f"{_INDENT}{cell}"
            line = longer
        if line:
            yield from self._broken(line)

    def _broken(self, line: str) -> list[str]:
        """A line between whose words, if it is a sentence, is broken."""
        width = self._width or sys.maxsize
        if cell_len(line) <= width:
            return [line]
        return textwrap.wrap(
            line,
            width,
            subsequent_indent=_INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None if it is a pipe or a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _shows(character: str) -> bool:
    try:
        character.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _bold(line: str) -> str:
    console = Console()
    if line and console.is_terminal and not console.is_dumb_terminal:
        return f"\x1b[1m{line}\x1b[0m"
    return line
