"""How a tenant is billed: read from TOML, CSV and the command line, written back, and every defect in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import TenantsError
from otel_genai_cost.ledger.tenants.append import append_rows
from otel_genai_cost.ledger.tenants.billing_terms import BillingTerms
from otel_genai_cost.ledger.tenants.check import rows_of
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.file import written_in
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pricing.instants import microseconds

_TERMS = BillingTerms(
    "seat",
    "Europe/Berlin",
    "EUR",
    "billing@acme.example",
    (("orb", "acme"), ("stripe", "cus_123")),
)
_TOML = """[[tenant]]
tenant = "acme"
from = 2026-01-01
contract_type = "seat"
time_zone = "Europe/Berlin"
currency = "EUR"
email = "billing@acme.example"
billing_ids = { stripe = "cus_123", orb = "acme" }
"""
_CSV = (
    "tenant,from,contract_type,time_zone,currency,email,billing_ids\n"
    "acme,2026-01-01,seat,Europe/Berlin,EUR,billing@acme.example,stripe=cus_123 orb=acme\n"
)


def read(path: Path, text: str) -> list[TenantRow]:
    path.write_text(text, encoding="utf-8")
    return rows_of(written_in(path))


@pytest.mark.parametrize(("name", "text"), [("t.toml", _TOML), ("t.csv", _CSV)])
def test_terms_are_read_and_a_date_is_of_the_tenants_zone(
    tmp_path: Path, name: str, text: str
) -> None:
    (one,) = read(tmp_path / name, text)
    assert one.billing == _TERMS
    assert one.from_us == microseconds("2025-12-31T23:00:00Z")


@pytest.mark.parametrize("name", ["t.toml", "t.csv"])
def test_what_is_added_to_a_registry_says_the_same(tmp_path: Path, name: str) -> None:
    row = TenantRow("acme", 0, billing=_TERMS)
    assert append_rows(tmp_path / name, [], [row]) == 1
    (again,) = rows_of(written_in(tmp_path / name))
    assert again.facts == row.facts
    changed = row._replace(billing=_TERMS._replace(email=None))
    assert changed.facts != row.facts


def test_all_defects_of_a_file_are_named_with_their_lines(tmp_path: Path) -> None:
    text = (
        "tenant,from,contract_type,time_zone,currency,email,billing_ids\n"
        "a,2026-01-01T00:00:00Z,sets,Mars/Base,eur,nobody,stripe=\n"
        "b,2026-01-01T00:00:00Z\n"
        "c,2026-01-01T00:00:00Z,,,,,stripe=1 stripe=2\n"
        'd,2026-01-01T00:00:00Z,,,,"x@y.example\nBcc: z@y.example",\n'
    )
    with pytest.raises(TenantsError) as raised:
        read(tmp_path / "t.csv", text)
    found = {(problem.line, problem.what.split(" ")[0]) for problem in raised.value.problems}
    assert found == {
        *((2, "contract_type"), (2, "time_zone"), (2, "currency"), (2, "email"), (2, "'stripe='")),
        *((3, "2"), (4, "billing_ids"), (6, "email")),
    }


@pytest.mark.parametrize("zones", ['["Europe/Berlin", "UTC"]', '"Europe/Berlin UTC"', "7"])
def test_one_row_names_one_zone(tmp_path: Path, zones: str) -> None:
    text = f'[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01T00:00:00Z\ntime_zone = {zones}\n'
    with pytest.raises(TenantsError, match="time_zone"):
        read(tmp_path / "t.toml", text)


def test_a_tenant_in_two_zones_at_once_is_refused(tmp_path: Path) -> None:
    text = (
        "tenant,from,to,time_zone\n"
        "acme,2026-01-01T00:00:00Z,2026-07-01T00:00:00Z,Europe/Berlin\n"
        "acme,2026-06-01T00:00:00Z,,America/New_York\n"
    )
    with pytest.raises(TenantsError) as raised:
        directory_of(read(tmp_path / "t.csv", text))
    (problem,) = raised.value.problems
    assert problem.line == 3
    assert "in two time zones at one time: America/New_York" in problem.what
    assert "t.csv:2" in problem.what
    moved = text.replace("2026-07-01", "2026-06-01")
    assert len(directory_of(read(tmp_path / "t.csv", moved)).rows) == 2
