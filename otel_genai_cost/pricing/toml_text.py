"""TOML that people write: prices, contracts, tenants. Decimals stay exact, and a defect is named with its line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, cast

from otel_genai_cost.errors import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["is_list_of_tables", "lines_of_tables", "tables_of", "text_of"]

_HEADER: Final = re.compile(r"[ \t]*\[\[[ \t]*([a-z_.]+)[ \t]*\]\]")
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)")


def text_of(content: bytes, file: str) -> str | Problem:
    """The text of a file in UTF-8, without a byte order mark; what is wrong if it is none.

    Args:
        content: its bytes.
        file: its name, for the problem.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem(file, 0, f"not UTF-8: {error}", "save it as UTF-8")


def tables_of(text: str, file: str) -> dict[str, Any] | Problem:
    """What a TOML document says, with decimals as Decimal; what is wrong if it is none.

    Args:
        text: the document.
        file: its name, for the problem.
    """
    try:
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        what = f"not TOML: {_AT_LINE.sub('', str(error))}"
        return Problem(file, int(at[1]) if at else 0, what, "mend the syntax at that place")
    except (RecursionError, ValueError) as error:  # nested too deeply, a number of 5,000 digits
        return Problem(file, 0, f"not TOML that a person wrote: {error}", "write it plainly")


def lines_of_tables(text: str) -> Mapping[str, Sequence[int]]:
    """On which line each entry of each `[[table]]` stands, in order.

    Args:
        text: the document.
    """
    lines: dict[str, list[int]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if match := _HEADER.match(line):
            lines.setdefault(match[1], []).append(number)
    return lines


def is_list_of_tables(entries: object) -> bool:
    """Whether it is what `[[table]]` makes."""
    return isinstance(entries, list) and all(
        isinstance(entry, dict) for entry in cast("list[object]", entries)
    )
