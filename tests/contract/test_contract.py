"""Every client of the manifest makes the calls of the contract with its real library; what was billed is charged."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import pytest

from otel_genai_cost.testing.standin import StandIn
from otel_genai_instrumentors.manifest import Row
from tests.contract.cases import CASES, Case, Run
from tests.contract.driver import Driver, drivers_of
from tests.contract.judge import JUDGES, requests_of
from tests.contract.meter import Meter
from tests.contract.rows import CLIENTS, DRIVERS, undriven


def _is_installed(library: str) -> bool:
    try:
        version(library)
    except PackageNotFoundError:
        return False
    return True


_RUNS: Final = [
    pytest.param(driver, case, id=f"{driver.library}-{driver.name}-{case.name}".replace(" ", "_"))
    for driver in DRIVERS
    if _is_installed(driver.library)
    for case in CASES
    if case.name not in driver.gaps
]


@pytest.fixture(scope="session")
def standin() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session")
def meter(tmp_path_factory: pytest.TempPathFactory) -> Meter:
    return Meter(tmp_path_factory.mktemp("contract"))


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
        lacking = {
            case.name: undriven(driver, case) for case in CASES if case.name not in driver.gaps
        }
        assert not any(lacking.values()), (driver.name, lacking)
