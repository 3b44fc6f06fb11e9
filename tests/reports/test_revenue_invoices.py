"""Revenue from invoices of Stripe, Orb and Metronome: as their APIs write them, in pages, events, and voided."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.reports.revenue_files import import_files, listed

Capture = pytest.CaptureFixture[str]


def _stripe(**more: Any) -> dict[str, Any]:
    line = {
        "id": "il_1",
        "amount": 12_000,
        "currency": "usd",
        "quantity": 4,
        "period": {"start": 1_790_812_800, "end": 1_793_491_200},
        "price": {"recurring": {"usage_type": "licensed"}},
        "discount_amounts": [{"amount": 2_000}],
        "tax_amounts": [{"amount": 1_000, "inclusive": True}, {"amount": 50, "inclusive": False}],
    }
    metered = {
        "id": "il_2",
        "amount": 700,
        "currency": "jpy",
        "period": {"start": 1_790_812_800, "end": 1_790_812_800},
        "price": {"recurring": {"usage_type": "metered"}},
        "metadata": {"feature": "search"},
    }
    return {
        "id": "in_1",
        "object": "invoice",
        "customer": "cus_1",
        "status": "paid",
        "lines": {"data": [line, metered], "has_more": False},
        **more,
    }


_REGISTRY = (
    'zone = "UTC"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\n'
    'billing_ids = { stripe = "cus_1", orb = "orb_c", metronome = "m-1" }\n'
)


def _as(vendor: str) -> tuple[str, ...]:
    return ("--format", vendor)


def test_invoices_of_stripe(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    page = {"object": "list", "data": [_stripe()], "has_more": False}
    done = import_files(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert done.code == 0, done.err
    seats, usage = listed(capsys, tmp_path)
    assert {
        key: seats[key] for key in ("tenant", "amount", "currency", "kind", "seats", "ref")
    } == {
        "tenant": "acme",
        "amount": "90",
        "currency": "USD",
        "kind": "seat",
        "seats": 4,
        "ref": "stripe:il_1",
    }
    assert seats["from"] == "2026-10-01T00:00:00Z"
    assert (usage["amount"], usage["currency"], usage["kind"]) == ("700", "JPY", "usage")
    assert usage["feature"] == "search"
    draft = json.dumps(_stripe(status="draft"))
    event = json.dumps({"data": {"object": _stripe()}})
    done = import_files(capsys, tmp_path, f"{draft}\n{event}\n", options=_as("stripe"))
    assert done.rows == [{"added": 0, "known": 2, "problems": 0}]
    void = import_files(capsys, tmp_path, json.dumps(_stripe(status="void")), options=_as("stripe"))
    assert void.rows == [{"added": 2, "known": 2, "problems": 0}]
    assert sum(Fraction(row["amount"]) for row in listed(capsys, tmp_path)) == 0


def test_a_customer_that_changed_hands_is_the_last_ones(tmp_path: Path, capsys: Capture) -> None:
    earlier = _REGISTRY.replace("acme", "zeta").replace("2026-01-01", "2025-01-01")
    text = earlier + _REGISTRY.removeprefix('zone = "UTC"\n')
    (tmp_path / "tenants.toml").write_text(text, encoding="utf-8")
    page = {"object": "list", "data": [_stripe()], "has_more": False}
    assert import_files(capsys, tmp_path, json.dumps(page), options=_as("stripe")).code == 0
    assert {row["tenant"] for row in listed(capsys, tmp_path)} == {"acme"}


@pytest.mark.parametrize(
    ("price", "metadata", "kind", "seats"),
    [
        ({"id": "price_1", "recurring": {"usage_type": "licensed"}}, {}, "seat", 4),
        ({"id": "price_1", "recurring": {"usage_type": "metered"}}, {}, "usage", None),
        ({"id": "price_1", "recurring": None}, {}, "flat", None),
        ("price_1", {}, "flat", None),
        ("price_1", {"kind": "seat"}, "seat", 4),
    ],
)
def test_a_line_of_stripe_since_2025(
    tmp_path: Path,
    capsys: Capture,
    price: object,
    metadata: dict[str, str],
    kind: str,
    seats: int | None,
) -> None:
    """Its price stands in `pricing`, and its taxes in `taxes`."""
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    line = {
        "id": "il_1",
        "object": "line_item",
        "amount": 12_000,
        "currency": "usd",
        "quantity": 4,
        "discount_amounts": [],
        "metadata": metadata,
        "parent": {"type": "subscription_item_details"},
        "period": {"start": 1_790_812_800, "end": 1_793_491_200},
        "pricing": {
            "price_details": {"price": price, "product": "prod_1"},
            "type": "price_details",
            "unit_amount_decimal": "3000",
        },
        "taxes": [
            {"amount": 2_000, "tax_behavior": "inclusive"},
            {"amount": 500, "tax_behavior": "exclusive"},
        ],
    }
    invoice = json.dumps(_stripe(lines={"data": [line], "has_more": False}))
    assert import_files(capsys, tmp_path, invoice, options=_as("stripe")).code == 0
    (row,) = listed(capsys, tmp_path)
    assert (row["amount"], row["kind"], row["seats"]) == ("100", kind, seats)


def test_pages_of_stripe_that_lack_something(tmp_path: Path, capsys: Capture) -> None:
    lines = {"data": [], "has_more": True}
    stranger = _stripe(id="in_2", customer="cus_9")
    page = {"data": [_stripe(lines=lines), stranger, {"id": "in_3"}], "has_more": True}
    done = import_files(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert done.code == 2
    for said in (
        "its last page says that more follow",
        "no tenant for the customer 'cus_1' of stripe",
        "no tenant for the customer 'cus_9' of stripe",
        "no invoice of stripe: KeyError 'status'",
    ):
        assert said in done.err
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    done = import_files(capsys, tmp_path, json.dumps(page), options=_as("stripe"))
    assert "invoice in_1 has more lines than are in this file" in done.err
    floats = _stripe()
    floats["lines"]["data"][0]["amount"] = 12.5
    done = import_files(capsys, tmp_path, json.dumps(floats), options=_as("stripe"))
    assert "no whole number" in done.err
    whole = json.dumps(_stripe())
    done = import_files(
        capsys, tmp_path, f"{whole}\n{whole[: len(whole) // 2]}", options=_as("stripe")
    )
    assert "in0.txt:2: not JSON" in done.err


def test_invoices_of_orb(tmp_path: Path, capsys: Capture) -> None:
    line = {
        "id": "li_1",
        "adjusted_subtotal": "40.10",
        "amount": "0.00",
        "start_date": "2026-10-01T00:00:00+00:00",
        "end_date": "2026-11-01T00:00:00+00:00",
        "price": {"price_type": "usage_price"},
    }
    invoice = {
        "id": "inv_1",
        "status": "issued",
        "currency": "USD",
        "customer": {"id": "c_9", "external_customer_id": "globex"},
        "line_items": [line, {**line, "id": "li_2", "price": {"price_type": "fixed_price"}}],
    }
    page = {"data": [invoice], "pagination_metadata": {"has_more": False, "next_cursor": None}}
    done = import_files(capsys, tmp_path, json.dumps(page), options=_as("orb"))
    assert done.code == 0, done.err
    found = [(r["tenant"], r["amount"], r["kind"], r["ref"]) for r in listed(capsys, tmp_path)]
    assert found == [
        ("globex", "40.1", "usage", "orb:li_1"),
        ("globex", "40.1", "flat", "orb:li_2"),
    ]


def test_invoices_of_metronome(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    usage = {"name": "Tokens", "type": "usage", "total": 1250.5, "quantity": 5}
    lines = [
        usage,
        usage,
        {"name": "Commit", "type": "applied_commit_or_credit", "total": -100},
        {"name": "Prepaid", "type": "commit_purchase", "total": 5000},
    ]
    invoice = {
        "id": "i-1",
        "customer_id": "m-1",
        "status": "FINALIZED",
        "credit_type": {"name": "USD (cents)"},
        "start_timestamp": "2026-10-01T00:00:00+00:00",
        "end_timestamp": "2026-11-01T00:00:00+00:00",
        "line_items": lines,
    }
    done = import_files(capsys, tmp_path, json.dumps({"data": [invoice]}), options=_as("metronome"))
    assert done.rows == [{"added": 3, "known": 0, "problems": 0}], done.err
    mixed = {**invoice, "line_items": lines[::-1]}
    done = import_files(capsys, tmp_path, json.dumps([mixed]), options=_as("metronome"))
    assert done.rows == [{"added": 0, "known": 3, "problems": 0}]
    found = sorted((row["amount"], row["kind"]) for row in listed(capsys, tmp_path))
    assert found == [("12.505", "usage"), ("12.505", "usage"), ("50", "credit")]
