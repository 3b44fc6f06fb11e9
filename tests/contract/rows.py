"""Which drivers run here, and what is covered by which."""

from __future__ import annotations

from typing import Final

from otel_genai_instrumentors.manifest import MANIFEST
from tests.contract.cases import CASES
from tests.contract.driver import Driver, drivers_of, is_installed

__all__ = ["CLIENTS", "RUNS", "undriven"]

CLIENTS: Final = tuple(row for row in MANIFEST if row.kind == "client")


RUNS: Final = tuple(
    (driver, case)
    for row in CLIENTS
    if is_installed(row.library)
    for driver in drivers_of(row.library)
    for case in CASES
    if case.name not in driver.gaps
)
"""What the libraries of this environment can run. Those that cannot live with the others have environments of their
own."""


def undriven(driver: Driver) -> dict[str, list[str]]:
    """Cases that are no gaps of a driver -> the methods that they take and it lacks."""
    lacking = {
        case.name: [method for method in case.needs if not hasattr(driver, method)]
        for case in CASES
        if case.name not in driver.gaps
    }
    return {name: methods for name, methods in lacking.items() if methods}
