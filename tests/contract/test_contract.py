"""Every client of the manifest makes the calls of the contract with its real library; what was billed is charged."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any, Final

import pytest

from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.manifest import Row
from tests.contract.cases import CASES, Case, Run
from tests.contract.driver import Driver, drivers_of
from tests.contract.judge import JUDGES, requests_of
from tests.contract.meter import Meter
from tests.contract.rows import CLIENTS, RUNS, undriven

_RUNS: Final = [
    pytest.param(driver, case, id=f"{driver.library}-{driver.name}-{case.name}".replace(" ", "_"))
    for driver, case in RUNS
]


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meter]:
    gc.freeze()  # so that what is collected is what a case made, not all the libraries
    yield Meter(tmp_path_factory.mktemp("contract"))
    gc.unfreeze()


def _requests(driver: Driver, case: Case, standin: StandIn, *, is_metered: bool) -> list[Any]:
    """What a case sends."""
    standin.reset()
    standin.script.next(*(driver.answer(case.name, scripted) for scripted in case.script))
    case.act(Run(case.name, driver, standin, is_metered))
    return requests_of(standin, driver)


@pytest.mark.parametrize(("driver", "case"), _RUNS)
def test_what_was_billed_is_charged_and_nothing_else_is_sent(
    driver: Driver, case: Case, standin: StandIn, meter: Meter
) -> None:
    with meter.tracing():
        without_us = _requests(driver, case, standin, is_metered=False)
    with meter.instrumenting(driver.instrumentor()):
        with_us = _requests(driver, case, standin, is_metered=True)
    charged = meter.charged()
    assert with_us == without_us
    JUDGES[case.judged](driver, standin.bills, charged)


@pytest.mark.parametrize("row", CLIENTS, ids=lambda row: row.library)
def test_every_client_runs_every_case_or_says_why_not(row: Row) -> None:
    drivers = drivers_of(row.library)
    assert drivers, f"tests/contract/drivers has no file for {row.library}"
    names = {case.name for case in CASES}
    for driver in drivers:
        assert driver.gaps.keys() <= names
        assert undriven(driver) == {}, driver.name
