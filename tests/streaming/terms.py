"""A book and contracts that come later than the calls that are rated again by them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from otel_genai_cost.ledger.contracts.contract import Contracts
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.load import load_book
from tests.pricing.books import price_file

__all__ = ["half_price", "other_book"]

_RATES: Final = "input = 7\noutput = 21\ncache_read = 3"
_CONTRACTS: Final = b"""
schema = "otel-genai-cost-contracts/1"
[[contract]]
id = "half"
source = "order form"
order = 10
from = 2020-01-01T00:00:00Z
match = { provider = "openai" }
side = "cost"
multiplier = 0.5
"""


def other_book(folder: Path) -> Book:
    """The book.

    Args:
        folder: where its file is made.
    """
    path = folder / "prices.toml"
    path.write_text(price_file("gpt-4o-2024-08-06", _RATES), encoding="utf-8")
    return load_book(path)


def half_price() -> Contracts:
    """The provider takes off half of what its calls cost."""
    return read_contracts(_CONTRACTS)
