"""The table of billing systems in docs/billing.md, from the facts in their files. Part of `make docs`."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from otel_genai_cost.billing.vendor import GROUP, Rules, vendor_type
from tests.docs.tables import table

__all__ = ["PAGE", "is_installed", "main", "page"]

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "billing.md"
_HEADS: Final = (
    *("vendor", "system", "by", "events a request", "back", "ahead"),
    *("remembers ids", "decimals", "lowering", "`verify` asks", "notes"),
)


def page() -> str:
    """The page as it should be."""
    names = sorted(one.name for one in entry_points(group=GROUP))
    rows = [_row(name, vendor_type(name).rules) for name in names]
    text = PAGE.read_text(encoding="utf-8")
    block = f"<!-- vendors -->\n{table(_HEADS, rows)}\n<!-- /vendors -->"
    return re.sub(
        r"<!-- vendors -->.*<!-- /vendors -->", lambda found: block, text, flags=re.DOTALL
    )


def _row(name: str, rules: Rules) -> tuple[str, ...]:
    return (
        f"`{name}`",
        rules.title,
        f"`{rules.library}`" if rules.library else "",
        f"{rules.batch:,}",
        _length(rules.past_us, "any time"),
        _length(rules.future_us, "") if rules.future_us else "",
        _length(rules.remembers_us, "for ever"),
        str(rules.decimals),
        rules.lowering,
        rules.verify or "it can't be asked",
        rules.notes,
    )


def _length(us: int | None, without: str) -> str:
    if us is None:
        return without
    if us and us % 86_400_000_000 == 0:
        return f"{us // 86_400_000_000} d"
    return (
        f"{us // 3_600_000_000} h" if us and us % 3_600_000_000 == 0 else f"{us // 60_000_000} min"
    )


def is_installed() -> bool:
    """Whether what is installed has every billing system that pyproject.toml lists."""
    text = (PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition(f'[project.entry-points."{GROUP}"]\n')[2].partition("\n\n")[0]
    listed = {line.partition(" = ")[0] for line in section.splitlines()}
    return bool(listed) and listed == set(entry_points(group=GROUP).names)


def main() -> None:
    """Write it; an installation that is older than pyproject.toml would leave rows out, and leaves it as it is."""
    if is_installed():
        PAGE.write_text(page(), encoding="utf-8")
    else:
        print("docs/billing.md is left as it is: install the project again for its billing systems")


if __name__ == "__main__":
    main()
