"""Receipts: a person can re-add every line, and every question has an answer."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from otel_genai_cost.ledger.charge import charges, explain
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.receipt import charge_record, receipt_record, receipt_text
from tests.ledger.build import observe
from tests.reports.fixture import make_home

_LINE = re.compile(r"^  (\w+) +([\d,]+)  x  ([\d.]+) per ([\d,]+) += +([\d.]+)$", re.MULTILINE)

_GOLDEN = """\
Charge {id}

  when       2026-11-18T11:06:42Z
  tenant     acme   (from edge)
  feature    search
  action     00000000000000000000000000000001
  call       openai · gpt-4o-2024-08-06 · chat
  status     priced
  cache_read              512  x  1.25 per 1,000,000          =            0.00064
  input                   488  x  2.5 per 1,000,000           =            0.00122
  output                  100  x  10 per 1,000,000            =              0.001
  total                                                                    0.00286 USD
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))


def _text(ledger: Ledger, home: Path, asked: str) -> str:
    (found,) = [one for one in explain(ledger, asked) if one.charge or len(asked) == 32]
    return receipt_text(found, Books([home / "journal"]).get)


def test_golden_receipt(ledger: Ledger, home: Path) -> None:
    inner = observe(2, above=(1,), end_s=2).id
    text = _text(ledger, home, inner)
    assert text.startswith(_GOLDEN.format(id=inner))
    assert "above or below it in the trace, with the same usage" in text
    assert "Price row openai/gpt-4o-2024-08-06@2024-08-06T00:00:00Z" in text
    assert re.search(r"source .*genai-prices.*, seen 2026-", text)
    assert re.search(r"charged +\+0\.00286 USD  calls \+1, unpriced \+0", text)


def test_every_line_readds(ledger: Ledger, home: Path) -> None:
    for charge in charges(ledger):
        text = _text(ledger, home, charge.charge_id)
        total = Decimal(0)
        for _, quantity, price, per, amount in _LINE.findall(text):
            line = (
                Decimal(quantity.replace(",", "")) * Decimal(price) / Decimal(per.replace(",", ""))
            )
            assert line == Decimal(amount)
            total += line
        shown = re.search(r"^  total +([\d.]+) USD$", text, re.MULTILINE)
        assert total == Decimal(shown[1] if shown else 0)


def test_unpriced_call_says_why_and_what_to_do(ledger: Ledger, home: Path) -> None:
    text = _text(ledger, home, observe(4, trace=4, start_s=60, end_s=61).id)
    assert "unpriced: unknown_model" in text
    assert "genai-cost rerate" in text
    assert "total" not in text


def test_provider_error_is_known_to_cost_nothing(ledger: Ledger, home: Path) -> None:
    text = _text(ledger, home, observe(6, trace=6, start_s=180).id)
    assert "priced: not_billed; the provider answered with an error" in text
    assert re.search(r"^  total +0 USD$", text, re.MULTILINE)


def test_span_of_the_framework_leads_to_the_same_receipt(ledger: Ledger, home: Path) -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3)
    assert _text(ledger, home, outer.span_id) == _text(ledger, home, inner.id)


def test_json_receipt_and_charges_have_strings_for_money(ledger: Ledger, home: Path) -> None:
    for charge in charges(ledger):
        for record in charge_record(charge):
            assert isinstance(record["amount"], str)
            assert (record["total"] is None) == (record["status"] != "priced")
        (found,) = explain(ledger, charge.charge_id)
        record = receipt_record(found, Books([home / "journal"]).get)
        assert record["charge_id"] == charge.charge_id
        assert len(record["entries"]) == 1
