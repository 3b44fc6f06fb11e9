"""Libraries that are not required, and what is lost without them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from otel_genai_cost.cli.doctor.check import Found, fine, judged
from otel_genai_cost.cli.home import Home

__all__ = ["optional"]

_OPTIONAL: Final = (
    (
        "threading instrumentation",
        "opentelemetry-instrumentation-threading",
        "thread pools lose tenants",
    ),
    ("DuckDB", "duckdb", "reports need it"),
    ("msgspec", "msgspec", "journal lines are encoded several times slower"),
)
"""Name, distribution, and what is so without it."""


def optional(_: Home) -> Iterator[Found]:
    """Each of them, or how to install it."""
    for name, distribution, without in _OPTIONAL:
        yield _library(name, distribution, f"pip install {distribution}: {without}")


def _library(name: str, distribution: str, remedy: str) -> Found:
    try:
        return fine(name, version(distribution))
    except PackageNotFoundError:
        installed = find_spec(distribution.replace("-", "_")) is not None
        return judged(name, installed, "not installed", remedy)
