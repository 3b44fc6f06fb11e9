"""A statement as PDF, set by typst: the same bytes each time, whatever fonts the machine has."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.statements.exports.letter import Letter

__all__ = ["letter_pdf"]

_PAGE: Final = Path(__file__).parent / "page"
_FONTS: Final = ("Libertinus Serif", "New Computer Modern")
"""They come with typst."""


def letter_pdf(letter: Letter) -> bytes:
    """The pages of a letter.

    Args:
        letter: what they say.

    Raises:
        MissingExtraError: without typst.
    """
    inputs = {"letter": json.dumps(_record(letter))}
    made: bytes = _compiler(letter.issuer.fonts).compile(sys_inputs=inputs, format="pdf")
    return made


@lru_cache(maxsize=4)
def _compiler(fonts: Path | None) -> Any:
    """Made once: most of the time of a first page goes into reading fonts."""
    try:
        import typst
    except ImportError:
        raise MissingExtraError("PDF", "typst", "statements") from None
    folders = [] if fonts is None else [fonts]
    return typst.Compiler(
        _PAGE / "statement.typ", root=_PAGE, font_paths=folders, ignore_system_fonts=True
    )


def _record(letter: Letter) -> dict[str, Any]:
    """What the template reads."""
    issuer = letter.issuer
    return {
        "issuer": issuer.name,
        "issuer_lines": issuer.lines,
        "contact": issuer.contact,
        "accent": issuer.accent,
        "note": issuer.note,
        "fonts": _FONTS,
        "title": letter.title,
        "number": letter.number,
        "tenant": letter.tenant,
        "tenant_id": letter.tenant_id,
        "scope": letter.scope,
        "period": letter.period,
        "bounds": letter.bounds,
        "revision": letter.revision,
        "currency": letter.currency,
        "total": letter.total,
        "total_name": letter.total_name,
        "groups": [
            {
                "heading": group.heading,
                "provider": group.provider,
                "items": [item._asdict() for item in group.items],
            }
            for group in letter.groups
        ],
        "summary": letter.summary,
        "notices": [notice._asdict() for notice in letter.notices],
        "fine_print": letter.fine_print,
    }
