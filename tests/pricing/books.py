"""Small price books for the tests, made like a person or the lock would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.load import canonical, load_book, price_id, read_lock

HEAD: Final = """\
schema = "otel-genai-cost/1"
[[source]]
id = "page"
name = "the price page"
url = "https://example.com/prices"
seen_at = 2026-01-01T00:00:00Z
[[provider]]
id = "acme"
aliases = ["Acme.AI"]
standard_tiers = ["default"]
"""
PRICE: Final = """\
from = 2026-01-01T00:00:00Z
recorded_at = 2026-01-01T00:00:00Z
source = "page"
"""

AT_US: Final = microseconds("2026-06-01T12:00:00Z")


def model(name: str, *lines: str) -> str:
    """A model and the first lines of its price; `lines` follow, rates first."""
    head = f'[[model]]\nid = "{name}"\nprovider = "acme"\n'
    return head + f'[[price]]\nmodel = "acme/{name}"\n{PRICE}' + "\n".join(lines) + "\n"


def price_file(model: str, rates: str, recorded_at: str = "2026-11-01T00:00:00Z") -> str:
    """A file of one's own with a row for one of OpenAI's models."""
    return f"""
schema = "otel-genai-cost/1"
[[source]]
id = "own"
name = "our own"
url = "https://example.com/prices"
seen_at = 2026-11-01T00:00:00Z
[[provider]]
id = "openai"
[[model]]
id = "{model}"
provider = "openai"
[[price]]
model = "openai/{model}"
from = 2024-01-01T00:00:00Z
recorded_at = {recorded_at}
source = "own"
{rates}
"""


def book_of(folder: Path, text: str) -> Book:
    """The book of a TOML text."""
    path = folder / "prices.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_book(path)


def document(
    prices: Sequence[Mapping[str, Any]], models: Sequence[str] = ("m",)
) -> dict[str, list[dict[str, Any]]]:
    """A document of provider `acme` whose rows say only what matters to the test."""
    rows: list[dict[str, Any]] = []
    for told in prices:
        row: dict[str, Any] = {
            "provider": "acme",
            "model": "m",
            "from": "2026-01-01T00:00:00Z",
            "recorded_at": "2026-01-01T00:00:00Z",
            "source": "page",
            "currency": "USD",
            "when": {},
            **told,
        }
        rows.append({"id": price_id(row), **row})
    return {
        "sources": [
            {
                "id": "page",
                "name": "the price page",
                "url": "https://example.com",
                "seen_at": "2026-01-01T00:00:00Z",
            }
        ],
        "providers": [{"id": "acme", "standard_tiers": ["default"]}],
        "models": [{"id": name, "provider": "acme"} for name in models],
        "prices": rows,
    }


def book_from(prices: Sequence[Mapping[str, Any]], models: Sequence[str] = ("m",)) -> Book:
    """The book of such a document, through its lock."""
    return read_lock(canonical(document(prices, models)))
