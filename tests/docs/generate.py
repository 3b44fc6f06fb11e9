"""`make docs`: writes the generated tables of docs/reference/ from the tables in the code.

`tests/docs/test_docs.py` fails when a page no longer says what the code says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.attributes import TABLE
from otel_genai_cost.metering.config import SETTINGS
from otel_genai_cost.usage.scopes import DIALECTS
from otel_genai_instrumentors.manifest import MANIFEST

REFERENCE: Final = Path(__file__).resolve().parents[2] / "docs" / "reference"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; pipes in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def attributes() -> str:
    rows = [(f"`{row.name}`", row.direction, row.meaning) for row in TABLE]
    return "# Attributes\n\nEvery attribute name read or written.\n\n" + table(
        ("attribute", "direction", "meaning"), rows
    )


def settings() -> str:
    rows = [
        (f"`{row.env}`", f"`{row.default}`" if row.default else "", row.doc) for row in SETTINGS
    ]
    return (
        "# Settings\n\nEach is an environment variable and, without `OTEL_` and in lower case, a flag of "
        "`opentelemetry-instrument`.\n\n" + table(("variable", "default", "meaning"), rows)
    )


def integrations() -> str:
    clients = [(row.library, row.versions, row.covers) for row in MANIFEST]
    dialects = [(f"`{row.scope}`", row.versions, row.note) for row in DIALECTS]
    return (
        "# Integrations\n\n## Instrumented by this library\n\n"
        + table(("library", "versions", "what is covered"), clients)
        + "\n\n## Instrumentations whose spans are understood\n\n"
        + table(("instrumentation scope", "versions", "notes"), dialects)
    )


PAGES: Final = {
    "attributes.md": attributes,
    "settings.md": settings,
    "integrations.md": integrations,
}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
