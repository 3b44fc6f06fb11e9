"""docs/billing.md has the facts of the vendors' files."""

from __future__ import annotations

from tests.billing.table import PAGE, is_installed, page


def test_the_table_of_billing_systems_is_current() -> None:
    assert is_installed()
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"
