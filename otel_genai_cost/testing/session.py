"""What the pytest plugin does once it is on: clients are watched, tests run in their own names, calls are judged."""

from __future__ import annotations

import inspect
import sys
import unittest
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.activation import tenancy_alone
from otel_genai_cost.switch import is_off
from otel_genai_cost.tenancy.edge import asked_source
from otel_genai_cost.tenancy.scoped import Scoped
from otel_genai_cost.testing.audit import Audit, Late, Site, canary_of
from otel_genai_cost.testing.round_trip import RoundTrip

__all__ = ["Session"]

_GROUP: Final = "opentelemetry_instrumentor"
_BESIDE: Final = frozenset({"threading"})
"""Of other people's what carries a context where the standard library does not."""

_FRAMEWORKS: Final = {
    "starlette.applications": "starlette",
    "flask.app": "flask",
    "django.core.handlers.base": "django",
}
"""What an application loads that takes requests, and its name."""


class Session:
    """A test session that is watched, in this process.

    Args:
        tenant_source: Where requests name their tenant; empty for what the environment says.

    Raises:
        ConfigurationError: if there is no such source, or the environment switches all of this off.
    """

    def __init__(self, tenant_source: str = "") -> None:
        if is_off():
            raise ConfigurationError(
                "no call would be seen: OTEL_SDK_DISABLED or OTEL_GENAI_COST_ENABLED switches all of this off",
                remedy="leave both out of the tests' environment",
            )
        self._audit = Audit()
        tenancy_alone(tenant_source)
        for each in entry_points(group=_GROUP):
            if each.name.startswith("genai_cost_") or each.name in _BESIDE:
                _instrument(each)
        self._audit.start()

    @property
    def late(self) -> list[Late]:
        """Calls that were made when their test had ended."""
        return self._audit.late

    def canary(self, node_id: str) -> str:
        """The tenant of a test."""
        return canary_of(node_id)

    def round_trip(self) -> RoundTrip:
        """What tries a queue."""
        return RoundTrip(self._audit)

    @contextmanager
    def naming(self, item: Any) -> Generator[None]:
        """During the block, a test's function runs in the test's own name.

        Args:
            item: Of pytest's, with a function.
        """
        named = Scoped(lambda *_, **__: self._audit.named(item.nodeid))
        holder, name = _place_of(item)
        function: Any = getattr(holder, name)
        setattr(holder, name, named(function))
        if isinstance(item.instance, unittest.TestCase):  # it calls what its object has
            setattr(item.instance, item.name, item.obj)
        try:
            yield
        finally:
            setattr(holder, name, function)

    @contextmanager
    def watching(self, node_id: str, problems: list[str]) -> Generator[None]:
        """See the calls during the block.

        Args:
            node_id: The test.
            problems: Gets what is wrong with them, at the end.
        """
        with self._audit.collecting() as seen:
            try:
                yield
            finally:
                problems.extend(self._audit.problems(node_id, seen))

    def end(self) -> None:
        """See none any more."""
        self._audit.stop()

    def as_lists(self) -> dict[str, list[list[Any]]]:
        """What was seen, as another process takes it."""
        sites = [[site, *counts] for site, counts in self._audit.sites.items()]
        return {"sites": sites, "late": [list(one) for one in self.late]}

    def add(self, lists: dict[str, list[list[Any]]]) -> None:
        """What another process saw."""
        for place, calls, attributed in lists["sites"]:
            known = self._audit.sites.get(place, Site())
            self._audit.sites[place] = Site(known.calls + calls, known.attributed + attributed)
        self.late.extend(Late(*one) for one in lists["late"])

    def report(self) -> Iterator[tuple[str, list[str]]]:
        """A title and lines each: where calls were made, and which outlived their test."""
        if self._audit.sites:
            yield "where calls of models were made", [*_covered(self._audit.sites), *_unasked()]
        if self.late:
            yield "calls that were made when their test had ended", _outlived(self.late)


def _place_of(item: Any) -> tuple[Any, str]:
    """Where a test's function stands. That of an asynchronous property test of Hypothesis is inside of what the test
    runner calls, and run in a loop for each example."""
    handle: Any = getattr(item.obj, "hypothesis", None)
    inner: Any = getattr(handle, "inner_test", None)
    return (handle, "inner_test") if inspect.iscoroutinefunction(inner) else (item, "obj")


def _covered(sites: dict[str, Site]) -> list[str]:
    rows = sorted(sites.items(), key=lambda item: (item[1].attributed - item[1].calls, item[0]))
    return [
        f"{counts.calls:6} calls, {counts.calls - counts.attributed:6} without a tenant  {site}"
        for site, counts in rows
    ]


def _unasked() -> Iterator[str]:
    """What to do if requests are asked for no tenant."""
    frameworks = [name for module, name in _FRAMEWORKS.items() if module in sys.modules]
    if frameworks and asked_source() is None:
        yield (
            f"requests ({', '.join(frameworks)}) were asked for no tenant, their calls are the test's own: set "
            "genai_cost_tenant = header:x-org-id, or whatever the application has as OTEL_GENAI_COST_TENANT"
        )


def _outlived(late: list[Late]) -> list[str]:
    by_test: dict[str, dict[str, int]] = {}
    for one in late:
        places = by_test.setdefault(one.node_id, {})
        place = f"{one.call} at {one.site} (thread {one.thread})"
        places[place] = places.get(place, 0) + 1
    lines: list[str] = []
    for node_id, places in by_test.items():
        lines.append(f"{node_id} started what made:")
        lines += [f"  {count} x {place}" for place, count in places.items()]
    return lines


def _instrument(found: EntryPoint) -> None:
    """As `opentelemetry-instrument` does it; what the library at hand is too old for is left out."""
    with suppress(ImportError, DependencyConflictError):
        instrumentor = found.load()()
        if not instrumentor.is_instrumented_by_opentelemetry:
            instrumentor.instrument(skip_dep_check=True)
