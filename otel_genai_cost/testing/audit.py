"""Whose a test's calls are: each test runs in the name of a tenant of its own, so that a call without one, or in the
name of an earlier test, is found.

A call is seen where it begins, in our wrapper of the client, so that neither sampling nor an exporter matters.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final, NamedTuple

from otel_genai_cost.metering.call_sites import call_site, call_stack
from otel_genai_cost.tenancy import strict
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import bound, current_binding

__all__ = ["Audit", "Late", "SeenCall", "Site", "canary_of"]

_PREFIX: Final = "canary-"

_MISSING: Final = (
    "no tenant was bound where it ran, or it did not come that far. Bind it where the work comes in: an edge, or "
    "`with tenant(id):`. Into threads and pools `pip install opentelemetry-instrumentation-threading` carries it, "
    "through a queue of your own `inject(headers)` and `with job(headers):`. What the platform does for itself is in "
    "`with system(reason):`; a test that may do without is marked @pytest.mark.tenant_exempt(reason)"
)
_STALE: Final = (
    "a thread, task or worker that was started there makes calls now. If they are for others, bind the tenant of each "
    "piece of work where it is taken up: `with job(headers):` or `with tenant(id):`. If they are still its own, let "
    "that test wait for them"
)


def canary_of(node_id: str) -> str:
    """The tenant of a test: its name, as far as a tenant id may have it, and what makes it the only one."""
    digest = hashlib.blake2b(node_id.encode(), digest_size=5).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", node_id.rpartition("::")[2])[:64].strip("-")
    return f"{_PREFIX}{name}-{digest}"


class SeenCall(NamedTuple):
    """A call that began: what, whom for, in whose name its context was made, and where."""

    call: str
    attribution: Attribution
    bound_for: str | None
    site: str
    thread: str
    stack: tuple[str, ...]

    @property
    def tenant(self) -> str | None:
        """Whom it is for; None for nobody."""
        return self.attribution.tenant

    @property
    def is_somebodys(self) -> bool:
        """Whether that is known: a tenant's, several tenants', or the platform's own."""
        found = self.attribution
        return bool(found.tenant or found.shares) or found.initiator == "system"


class Site(NamedTuple):
    """A place in the code where calls are made: how many, and how many of them were somebody's."""

    calls: int = 0
    attributed: int = 0


class Late(NamedTuple):
    """A call that was made when its test had ended."""

    node_id: str
    call: str
    site: str
    thread: str


class Audit:
    """What is seen of the calls of one test session in this process."""

    def __init__(self) -> None:
        self.sites: dict[str, Site] = {}
        self.late: list[Late] = []
        self._lock = threading.Lock()
        self._tests: dict[str, str] = {}
        self._seen: list[SeenCall] | None = None

    def start(self) -> None:
        """See calls from now on."""
        strict.observe(self._note)

    def stop(self) -> None:
        """See none any more."""
        strict.observe(None)

    def _note(self, call: str, found: Attribution) -> None:
        binding = current_binding()
        bound_for = None if binding is None else binding.attribution.tenant
        thread = threading.current_thread().name
        site = call_site() or "-"
        seen = SeenCall(call, found, bound_for, site, thread, tuple(call_stack()))
        with self._lock:
            known = self.sites.get(site, Site())
            self.sites[site] = Site(known.calls + 1, known.attributed + seen.is_somebodys)
            if self._seen is not None:
                self._seen.append(seen)
            elif bound_for in self._tests:
                self.late.append(Late(self._tests[bound_for], call, site, thread))

    @contextmanager
    def collecting(self) -> Generator[list[SeenCall]]:
        """The calls that are seen during the block; those of an outer block are not among them."""
        outer, self._seen = self._seen, []
        try:
            yield self._seen
        finally:
            self._seen = outer

    @contextmanager
    def named(self, node_id: str) -> Generator[None]:
        """What is done in here is done in a test's name."""
        canary = canary_of(node_id)
        self._tests[canary] = node_id
        with bound(Attribution(canary, "edge", None)):
            yield

    def problems(self, node_id: str, seen: list[SeenCall]) -> list[str]:
        """What is wrong with the calls of a test, each with its stack and what to do."""
        return [text for one in seen if (text := self._problem(node_id, one)) is not None]

    def _problem(self, node_id: str, seen: SeenCall) -> str | None:
        of = self._tests.get(seen.tenant or seen.bound_for or "")
        is_stale = seen.attribution.absent == "stale" or (of is not None and of != node_id)
        if seen.is_somebodys and not is_stale:
            return None
        if not is_stale:
            return _said("MISSING", seen, f"has no tenant ({seen.attribution.absent})", _MISSING)
        whose = "this test, which had ended" if of == node_id else of or "work that had ended"
        return _said("STALE", seen, f"runs in the name of {whose}", _STALE)


def _said(what: str, seen: SeenCall, fault: str, fix: str) -> str:
    return (
        f"{what}: {seen.call!r} at {seen.site} (thread {seen.thread}) {fault}\n"
        f"  fix: {fix}\n" + "".join(f"  through {place}\n" for place in seen.stack)
    )
