"""Templates, and how names and amounts are written in them. Everything is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.reports.printable import printable, shortened
from otel_genai_cost.reports.tables import decimal_text, rounded

__all__ = ["rendered"]

_TEMPLATES: Final = Path(__file__).parent / "templates"
_CODE: Final = re.compile("`(.*?)`")


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """A page.

    Args:
        template: a file in `templates`.
        values: what stands in it.
    """
    return _environment().get_template(template).render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        shown=shortened,
        line=printable,
        money=format_money,
        exact=_exact,
        cell=_cell,
        share=_share,
        short=_short,
        web=_web,
        round=_rounded,
        count=_count,
        prose=_prose,
        percent=_percent,
        signed=_signed,
    )
    return found


def _exact(amount: Decimal | None) -> str:
    """To the last digit."""
    return "—" if amount is None else decimal_text(amount)


def _cell(value: object) -> str:
    """A value of a table whose columns are of any kind."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "—"  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _share(text: str | None) -> str:
    return "—" if text is None else _percent(Decimal(text))


def _short(text: str) -> str:
    """Of an amount as records have it, for a headline."""
    return rounded(Decimal(text))


def _web(address: str) -> str:
    """An address that may be a link; "" for one of another kind."""
    return address if address.startswith(("https://", "http://")) else ""


def _rounded(amount: Decimal | None) -> str:
    """For a headline, with the exact figure beside it."""
    return "—" if amount is None else rounded(amount)


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: Decimal | None, places: int = 1) -> str:
    return "—" if share is None else f"{share * 100:.{places}f} %"


def _signed(share: Decimal) -> str:
    """More or less, as a part of what was."""
    return f"{share * 100:+,.1f} %"


def _prose(text: str) -> Markup:
    """A sentence of ours, in which commands stand in backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))
