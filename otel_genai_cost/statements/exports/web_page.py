"""A statement as one HTML file: no script, no request to anybody, light and dark, and made to be printed.

All text came from outside and is escaped.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from otel_genai_cost.statements.exports.letter import Group, Letter

__all__ = ["letter_html"]

_PAGE: Final = Path(__file__).parent / "page"


def letter_html(letter: Letter) -> str:
    """The page of a letter.

    Args:
        letter: what it says.
    """
    template, style = _parts()
    texts = {
        "title": letter.title,
        "number": letter.number,
        "accent": letter.issuer.accent,
        "tenant": letter.tenant,
        "period": letter.period,
        "total": letter.total,
        "total_name": letter.total_name,
        "currency": letter.currency,
    }
    markup = {
        "style": style,
        "issuer": _issuer(letter),
        "revision": _paragraph(letter.revision, "revision"),
        "whose": "".join(map(_paragraph, (letter.tenant_id, *letter.scope))),
        "bounds": "".join(map(_paragraph, letter.bounds)),
        "notices": _notices(letter),
        "groups": "\n".join(map(_group, letter.groups)) or _NO_GROUP,
        "summary": f'<dl class="summary">{_pairs(letter.summary)}</dl>' if letter.summary else "",
        "note": _paragraph(letter.issuer.note, "remark"),
        "fine_print": _pairs(letter.fine_print),
    }
    return template.substitute({name: escape(text) for name, text in texts.items()}, **markup)


_NO_GROUP: Final = (
    '<tbody><tr><td colspan="4" class="none">No charges in this period.</td></tr></tbody>'
)


@lru_cache(maxsize=1)
def _parts() -> tuple[Template, str]:
    page = Template((_PAGE / "statement.html").read_text("utf-8"))
    return page, (_PAGE / "statement.css").read_text("utf-8")


def _issuer(letter: Letter) -> str:
    issuer = letter.issuer
    name = f"<b>{escape(issuer.name)}</b>" if issuer.name else ""
    return name + "".join(map(_paragraph, (*issuer.lines, issuer.contact)))


def _paragraph(text: str, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f"<p{css}>{escape(text)}</p>" if text else ""


def _notices(letter: Letter) -> str:
    if not letter.notices:
        return ""
    titles = (f"<b>{escape(one.title)}.</b> " if one.title else "" for one in letter.notices)
    shown = zip(titles, letter.notices, strict=True)
    paragraphs = "".join(f"<p>{title}{escape(one.text)}</p>" for title, one in shown)
    return f'<section class="notices">{paragraphs}</section>'


def _group(group: Group) -> str:
    """Lines of one model under its name, or a line by itself."""
    rows = "".join(
        f'<tr><td>{escape(item.name)}</td><td class="number quantity">{escape(item.quantity)}</td>'
        f'<td class="unit">{escape(item.unit)}</td><td class="number amount">{escape(item.amount)}</td></tr>'
        for item in group.items
    )
    if not group.heading:
        return f'<tbody class="own">{rows}</tbody>'
    heading = f"{escape(group.heading)}<span>{escape(group.provider)}</span>"
    return f'<tbody><tr><th colspan="4" scope="rowgroup">{heading}</th></tr>{rows}</tbody>'


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in pairs)
