"""`make docs`: writes the generated tables of docs/reference/ from the tables in the code.

`tests/docs/test_docs.py` fails when a page no longer says what the code says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost.attributes import TABLE
from otel_genai_cost.metering.config import SETTINGS
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.importers.inputs import read_rules
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.load import load_book
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


def prices() -> str:
    book = load_book()
    inputs = [
        (one.day, f"{one.package} {one.version}", f"`{one.member}`", f"`{one.sha256[:16]}…`")
        for one in sorted(read_rules().inputs, key=lambda one: one.day, reverse=True)
    ]
    return (
        "# The default price book\n\n"
        f"{book.rows:,} rows for {_models(book):,} models under {len(book.names.models):,} names of "
        f"{len(book.document.providers)} providers; the newest was learned on {_day(book.newest_recorded_at_us)}. "
        f"Digest `{book.digest}`.\n\n"
        "Made by `genai-cost prices import` from the inputs below, from the price files in "
        "`otel_genai_cost/pricing/data/`, which go before them, and from the rules and verdicts in `inputs.toml` "
        "there; `genai-cost prices check` makes it again and compares. What is left without a price, and why, is "
        "told by `genai-cost prices import --json`.\n\n"
        "## Coverage\n\n"
        + table(
            ("provider", "models", "names", "rows", "rows with conditions", "newest"),
            _coverage(book),
        )
        + "\n\n## Inputs, pinned by version and hash\n\n"
        + table(("current on", "distribution", "file", "sha256"), inputs)
    )


def _models(book: Book) -> int:
    return sum(len(part.models) for _, part in book.document.parts())


def _coverage(book: Book) -> list[Sequence[str]]:
    """The providers, those with the most rows first."""
    names = Counter(provider for provider, _ in book.names.models)
    parts = sorted(book.document.parts(), key=lambda item: (-len(item[1].prices), item[0]))
    return [
        (
            f"`{provider}`",
            f"{len(part.models):,}",
            f"{names[provider]:,}",
            f"{len(part.prices):,}",
            f"{sum(bool(row.get('when')) for row in part.prices):,}",
            max(row["recorded_at"] for row in part.prices)[:10],
        )
        for provider, part in parts
        if part.prices
    ]


def _day(us: int) -> str:
    return rfc3339(us)[:10]


PAGES: Final = {
    "attributes.md": attributes,
    "settings.md": settings,
    "integrations.md": integrations,
    "prices.md": prices,
}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
