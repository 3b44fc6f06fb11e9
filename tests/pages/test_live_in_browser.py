"""A page that is open follows the ledger."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import PROGRAM, rows
from tests.cli.homes import home_of
from tests.demo.processes import Children, wait_until
from tests.demo.stage import clean_environment
from tests.ledger.build import observe, tenant
from tests.ledger.journalled import written
from tests.pages.looking import looking, served

pytestmark = pytest.mark.service


def _total(home: Path) -> str:
    (whole,) = rows("report", "--by", "service", "--json", "--ledger", str(home))
    return str(whole["at_least"])


def test_figures_come_anew_while_a_shipper_follows(
    browser: Any, family: Children, tmp_path: Path
) -> None:
    """Nobody asks again: what stands on the page is replaced once more calls are booked."""
    whose = tenant("acme")
    home = home_of(tmp_path / "home", [observe(1, trace=1, attribution=whose)])
    at = served(family, tmp_path, home)
    command = [PROGRAM, "ship", "--follow", "--drain", "--ledger", str(home)]
    family.start(
        "ship", command, tmp_path / "ship.log", {**clean_environment(), "HOME": str(tmp_path)}
    )
    with looking(browser, at.at) as window:
        window.open("/?period=all")
        shown = window.page.locator("data#total-USD")
        before = shown.get_attribute("value")
        later = [observe(number, trace=number, attribution=whose) for number in range(2, 9)]
        written(home / "journal", later)
        window.page.wait_for_function(
            "before => document.querySelector('data#total-USD')?.value !== before",
            arg=before,
            timeout=60_000,
        )
        wait_until(
            lambda: shown.get_attribute("value") == _total(home),
            "the page to say what the report says",
            30,
        )
        assert Decimal(str(shown.get_attribute("value"))) == 8 * Decimal(str(before))
