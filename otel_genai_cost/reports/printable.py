"""Text that came from outside (tenants, models, labels), made safe to show: a name can be anything, a terminal obeys
control sequences, and a line break in a name would forge a line of a receipt."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["csv_cell", "escaped_json", "printable", "shortened"]

_NAME_MAX: Final = 80
_LEFT_BY_JSON: Final = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What JSON lets stand as it is, though a terminal obeys it: DEL, the C1 controls (U+009B begins a control sequence,
U+009D an operating system command), line separators and marks that turn the direction of writing."""
_DEL: Final = "\x7f"
"""The only one of them in ASCII."""

_FORMULA: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet takes for the beginning of a formula; the last four are its wide forms."""
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def printable(text: str) -> str:
    """One line of it: every control, format and separator character but the space becomes U+FFFD.

    Args:
        text: what somebody else wrote.

    Returns:
        As many characters, all of them printable.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shortened(text: str) -> str:
    """A name in a sentence: printable, and of one that is longer than 80 characters the beginning."""
    return printable(text if len(text) <= _NAME_MAX else f"{text[: _NAME_MAX - 1]}…")


def escaped_json(document: str) -> str:
    """The same JSON document without characters that a terminal obeys.

    Args:
        document: what `json.dumps` made, which escapes the C0 controls itself.

    Returns:
        A document of equal value: such characters stand in strings only, where an escape means the same.
    """
    if document.isascii() and _DEL not in document:
        return document
    return _LEFT_BY_JSON.sub(lambda found: f"\\u{ord(found.group()):04x}", document)


def csv_cell(value: object) -> str:
    """A number as it is; text so that no spreadsheet takes it for a formula, and no terminal for a command.

    Args:
        value: of a cell; None is an empty one.
    """
    if value is None:
        return ""
    text = str(value)
    if text[:1] in _FORMULA and text and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    return printable(text)
