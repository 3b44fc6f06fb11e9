"""Which drivers run which cases here, and what is covered where."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.manifest import MANIFEST
from tests.contract.cases import CASES, Case
from tests.contract.driver import Driver, drivers_of

__all__ = ["CLIENTS", "DRIVERS", "covered", "undriven"]

CLIENTS: Final = tuple(row for row in MANIFEST if row.kind == "client")
DRIVERS: Final = tuple(driver for row in CLIENTS for driver in drivers_of(row.library))


def undriven(driver: Driver, case: Case) -> list[str]:
    """The methods that a case takes and a driver lacks."""
    return [method for method in case.needs if not hasattr(driver, method)]


def covered(driver: Driver) -> dict[str, str]:
    """Case -> empty if it is run, else why it cannot be."""
    return {case.name: driver.gaps.get(case.name, "") for case in CASES}
