"""What somebody wrote of tenants is read exactly, and every defect is named with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, TenantsError
from otel_genai_cost.ledger.tenants.check import rows_of
from otel_genai_cost.ledger.tenants.file import written_in, written_of
from otel_genai_cost.ledger.tenants.row import Revenue, TenantRow, is_address, row_record
from otel_genai_cost.pricing.instants import microseconds

_BERLIN = "2025-12-31T23:00:00Z"


def read(path: Path, text: str) -> list[TenantRow]:
    path.write_text(text, encoding="utf-8")
    return rows_of(written_in(path))


def test_toml(tmp_path: Path) -> None:
    (one, two) = read(
        tmp_path / "t.toml",
        'zone = "Europe/Berlin"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\nname = "Acme"\n'
        'plan = "pro"\ntier = "gold"\ncontract = "C-1"\nregion = "eu"\nowner = "growth"\nparent = "holding"\n'
        'aliases = ["org-7", "org-8"]\nrevenue = { amount = 1200.50, currency = "EUR" }\n'
        '[[tenant]]\ntenant = "globex"\nfrom = 2026-03-01T00:00:00+01:00\nto = "2026-04-01"\nzone = "UTC"\n'
        'revenue = "0.000000000000000001 USD"\n',
    )
    assert row_record(one) == {
        "tenant": "acme",
        "from": _BERLIN,
        "to": None,
        "name": "Acme",
        "plan": "pro",
        "tier": "gold",
        "contract": "C-1",
        "region": "eu",
        "owner": "growth",
        "parent": "holding",
        "aliases": ["org-7", "org-8"],
        "revenue": "1200.5",
        "revenue_currency": "EUR",
        "merged_into": None,
        "contract_type": None,
        "time_zone": None,
        "currency": None,
        "email": None,
        "billing_ids": {},
    }
    assert (one.line, two.line) == (2, 14)
    assert (two.from_us, two.to_us) == (
        microseconds("2026-02-28T23:00:00Z"),
        microseconds("2026-04-01T00:00:00Z"),
    )
    assert two.revenue == Revenue(1, "USD")


def test_csv_as_a_spreadsheet_writes_it(tmp_path: Path) -> None:
    (one,) = read(
        tmp_path / "t.csv",
        "\ufefftenant,from,zone,name,aliases,revenue,merged_into\r\n"
        'acme,2026-01-01,Europe/Berlin,"Acme, Inc.",org-7; org-8,1200 EUR,\r\n\r\n',
    )
    assert (one.words, one.aliases) == ({"name": "Acme, Inc."}, ("org-7", "org-8"))
    assert (one.from_us, one.revenue) == (microseconds(_BERLIN), Revenue(1200 * 10**18, "EUR"))
    assert (one.merged_into, one.line) == (None, 2)


def test_rows_of_a_query() -> None:
    (one,) = rows_of(
        written_of(
            ("tenant", "from", "name"), [("acme", "2026-01-01T00:00:00Z", None)], "tenants.sql"
        )
    )
    assert (one.tenant, one.words, one.file) == ("acme", {}, "tenants.sql, row 1")


_HEAD = '[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01T00:00:00Z\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[tenant]]\ntenant = "acme"\n', "t.toml:1: a tenant's row without 'from'; add from"),
        ("[[tenant]]\nfrom = 2026-01-01T00:00:00Z\n", "a tenant's row without 'tenant'"),
        ('[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\n', "a date without a zone; write an"),
        ('[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01T00:00:00\n', "which is no instant"),
        ('[[tenant]]\ntenant = "acme"\nfrom = "2026-02-30"\nzone = "UTC"\n', "'2026-02-30'"),
        ('[[tenant]]\ntenant = "acme"\nfrom = 20260101\n', "from is '20260101'"),
        (_HEAD + 'zone = "Europe/Bern"\n', "no such time zone: 'Europe/Bern'"),
        (_HEAD + "to = 2026-01-01T00:00:00Z\n", "write an end that is after the beginning"),
        (_HEAD + 'nmae = "Acme"\n', "unknown key 'nmae' of a tenant; known: tenant, from"),
        (_HEAD + "name = 7\n", "name is '7'; write a string"),
        (_HEAD + 'parent = "two words"\n', "parent is 'two words', which is no tenant id"),
        (_HEAD + 'parent = "acme"\n', "'acme' names itself as parent"),
        (_HEAD + 'aliases = ["a b"]\n', "'a b' in aliases is no tenant id"),
        (_HEAD + 'aliases = ["x", "x"]\n', "the alias 'x' stands twice"),
        (_HEAD + "aliases = 7\n", "aliases is '7'; write a list of ids"),
        (_HEAD + 'revenue = "1200"\n', "revenue is '1200'; write what a month brings"),
        (_HEAD + 'revenue = "1.200,00 EUR"\n', "revenue is '1.200,00 EUR'"),
        (_HEAD + 'revenue = "-5 EUR"\n', "revenue is '-5 EUR'"),
        (_HEAD + 'revenue = "5 eur"\n', "revenue is '5 eur'"),
        (_HEAD + 'revenue = "NaN EUR"\n', "revenue is 'NaN EUR'"),
        (_HEAD + 'revenue = { amount = 1, money = "EUR" }\n', "revenue is"),
        ("tenant = 1\n", "write [[tenant]] tables"),
        ("[[tenants]]\n", "it has tenants; write [[tenant]] tables"),
        ("[[tenant]\n", "t.toml:1: not TOML"),
    ],
)
def test_defects_of_toml(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TenantsError) as caught:
        read(tmp_path / "t.toml", text)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "t.csv:1: its head is ''; write a head of tenant, from"),
        ("id,from\n", "its head is 'id, from'"),
        ("tenant,tenant\n", "its head is"),
        ("tenant,from\nacme\n", "t.csv:2: 1 cells below a head of 2"),
        ('tenant,from\n"acme,2026\n', "t.csv:2: not CSV"),
        ("tenant,from\nacme,2026-01-01\n", "t.csv:2: from is '2026-01-01', a date without a zone"),
    ],
)
def test_defects_of_csv(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(TenantsError) as caught:
        read(tmp_path / "t.csv", text)
    assert says in str(caught.value)


def test_every_defect_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(TenantsError) as caught:
        read(tmp_path / "t.toml", _HEAD + "name = 1\nplan = 2\n" + _HEAD + "tier = 3\n")
    assert [(one.line, one.what) for one in caught.value.problems] == [
        (1, "name is '1'"),
        (1, "plan is '2'"),
        (6, "tier is '3'"),
    ]


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"unknown kind: .*ends in \.toml, \.csv or \.sql"):
        written_in(tmp_path / "t.xlsx")
    with pytest.raises(ConfigurationError, match="No such file"):
        written_in(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes(b"\xff")
    with pytest.raises(TenantsError, match="not UTF-8"):
        written_in(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("bob@acme.com", True),
        ("user:bob.b@mail.acme.co", True),
        ("acme", False),
        ("@acme", False),
        ("acme@eu", False),
        ("team/a@v2", False),
    ],
)
def test_addresses(name: str, is_one: bool) -> None:
    assert is_address(name) is is_one
