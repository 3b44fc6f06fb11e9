"""What can go wrong, and the one place where foreign code is fenced off.

    GenAICostError
    ├── ConfigurationError      a setting or a file someone wrote: what, the value, where, what to do
    │   ├── PriceBookError      every problem of a price file in one go (`.problems`)
    │   ├── TenantsError        every problem of the tenants' registry in one go (`.problems`)
    │   ├── ChannelsError       every problem of the channels of notices in one go (`.problems`)
    │   ├── BudgetsError        every problem of budgets in one go (`.problems`)
    │   ├── BillingError        every problem of meters and destinations of usage in one go (`.problems`)
    │   ├── PlansError          every problem of pricing plans in one go (`.problems`)
    │   ├── RevenueError        every problem of imported revenue in one go (`.problems`)
    │   ├── AccessError         every problem of who may see the pages in one go (`.problems`)
    │   ├── IssuerError         every problem of the issuer of statements in one go (`.problems`)
    │   ├── BillsError          every problem of providers' bills in one go (`.problems`)
    │   └── GrantsError         every problem of grants of credit in one go (`.problems`)
    │       └── GrantConflictError   a ref was used for another grant
    ├── VendorError             a billing system did not answer what it was asked
    ├── MissingExtraError       an optional library is not installed (also an ImportError)
    ├── FormatTooNewError       written by a newer major version of this library
    ├── UnattributedCallError   in strict mode, a call that has no tenant and was not sent
    ├── UnattributedJobError    a message that names no tenant, where the application demands one
    ├── BlockedCallError        a call that the gate refused, where its client's own error cannot be made
    ├── JournalError            a segment cannot be written or read
    └── LedgerError             the ledger cannot be opened or is in use
        └── LedgerLockedError   another process is the writer

Set-up raises these, and a call in strict mode. Telemetry never raises: every entry from foreign code goes
through `guarded`, or through `fence` where it awaits.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import NamedTuple, ParamSpec, TypeVar

__all__ = [
    "AccessError",
    "BillingError",
    "BillsError",
    "BlockedCallError",
    "BudgetsError",
    "ChannelsError",
    "ConfigurationError",
    "FormatTooNewError",
    "GenAICostError",
    "GrantConflictError",
    "GrantsError",
    "IssuerError",
    "JournalError",
    "LedgerError",
    "LedgerLockedError",
    "MissingExtraError",
    "PlansError",
    "PriceBookError",
    "Problem",
    "RevenueError",
    "TenantsError",
    "UnattributedCallError",
    "UnattributedJobError",
    "VendorError",
    "failures",
    "fence",
    "guarded",
]

_logger = logging.getLogger("otel_genai_cost")
_P = ParamSpec("_P")
_R = TypeVar("_R")
_D = TypeVar("_D")

_LOG_EVERY_S = 60.0
"""A failing hook may fail on every span; once a minute informs the operator without flooding."""

_PLACES_MAX = 8


class GenAICostError(Exception):
    """Base of everything this library raises on purpose."""


class ConfigurationError(GenAICostError, ValueError):
    """A value that someone wrote is unusable. The message reads: what, the value, where, what to do.

    Args:
        what: is wrong.
        value: as it was written; None if none was.
        where: it was written, or what the system said of it.
        remedy: what to do.
    """

    def __init__(
        self, what: str, *, value: object = None, where: str = "", remedy: str = ""
    ) -> None:
        self.what, self.value, self.where, self.remedy = what, value, where, remedy
        parts = [what if value is None else f"{what}: {value!r}"]
        parts += [f"in {where}"] if where else []
        parts += [remedy] if remedy else []
        super().__init__("; ".join(parts))


class Problem(NamedTuple):
    """One defect of a file of prices, tenants, channels, grants or bills. `line` is 1-based, 0 where the whole file is
    meant."""

    file: str
    line: int
    what: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}; {self.remedy}"


class _FileError(ConfigurationError):
    """A file that people write is broken. `problems` lists every defect found in one reading."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        GenAICostError.__init__(self, "\n".join(map(str, problems)))


class PriceBookError(_FileError):
    """A price file is broken. `problems` lists every defect found in one reading."""


class TenantsError(_FileError):
    """The tenants' registry is broken. `problems` lists every defect found in one reading."""


class ChannelsError(_FileError):
    """Channels of notices are broken. `problems` lists every defect found in one reading."""


class BillingError(_FileError):
    """Meters and destinations of usage are broken. `problems` lists every defect found in one reading."""


class BudgetsError(_FileError):
    """Budgets are broken. `problems` lists every defect of what was written in one go."""


class BillsError(_FileError):
    """A provider's bill cannot be read. `problems` lists every defect found in one reading."""


class GrantsError(_FileError):
    """Grants of credit are broken. `problems` lists every defect of all of them; none of them takes effect."""


class PlansError(_FileError):
    """Pricing plans are broken. `problems` lists every defect of the file; none of them takes effect."""


class RevenueError(_FileError):
    """Revenue cannot be imported as it is. `problems` lists every defect of all files; nothing of them is kept."""


class GrantConflictError(GrantsError):
    """A grant's ref stands for another one already."""


class VendorError(GenAICostError):
    """A billing system did not answer what it was asked. The message says which and what happened."""


class AccessError(_FileError):
    """Who may see the pages is broken. `problems` lists every defect found in one reading."""


class IssuerError(_FileError):
    """The issuer of statements is broken. `problems` lists every defect found in one reading."""


class MissingExtraError(GenAICostError, ImportError):
    """A feature needs an optional library. The message names the extra that brings it.

    Args:
        feature: what was asked for.
        library: the distribution that is missing.
        extra: of this distribution.
    """

    def __init__(self, feature: str, library: str, extra: str) -> None:
        self.feature, self.library, self.extra = feature, library, extra
        super().__init__(
            f"{feature} needs '{library}'; install it with: pip install 'otel-genai-cost[{extra}]'"
        )


class FormatTooNewError(GenAICostError):
    """A file was written by a newer major version; the message says to upgrade.

    Args:
        what: the file.
        found: its format.
        known: the newest format that this version reads.
    """

    def __init__(self, what: str, found: object, known: object) -> None:
        super().__init__(
            f"{what} has format {found}, this version reads up to {known}; "
            "upgrade otel-genai-cost on this machine"
        )


class UnattributedCallError(GenAICostError):
    """A call has no tenant, was not sent, and costs nothing. Raised only where `OTEL_GENAI_COST_STRICT=raise`, which is
    for tests: otherwise such a call is made, and counted as nobody's.

    The message says what is called and what is wrong with its tenant (`.absent`: `missing`, or `stale` where the block
    or request that it was for had ended, `invalid`, `edge_bypassed`). To mend it, make the call within
    `otel_genai_cost.tenant()`, or within `otel_genai_cost.system()` if it is the platform's own.

    Args:
        call: what is called.
        absent: why there is no tenant.
    """

    def __init__(self, call: str, absent: str) -> None:
        self.call, self.absent = call, absent
        super().__init__(
            f"a call without a tenant ({absent}): {call!r}; it was not sent, since OTEL_GENAI_COST_STRICT is raise; "
            "make it within otel_genai_cost.tenant(...), or within system(...) if it is the platform's own"
        )


class UnattributedJobError(GenAICostError):
    """A message names no tenant, and its job was not begun. Raised only by `job(…, on_missing="raise")`.

    The message says where it came from, and what is wrong with its tenant (`.absent`: `missing`, `invalid`). To mend
    it, let what makes the message do so within a tenant, by `otel_genai_cost.inject()` or an instrumented library.

    Args:
        source: where the message came from.
        absent: why there is no tenant.
    """

    def __init__(self, source: str, absent: str) -> None:
        self.source, self.absent = source, absent
        super().__init__(
            f"a job without a tenant ({absent}) from {source!r} was not begun, since on_missing is raise; make its "
            "message within a tenant, with otel_genai_cost.inject(headers) or an instrumented library"
        )


class BlockedCallError(GenAICostError):
    """The gate refused a call, which was not sent. Raised only where the client's own status error, by which blocks are
    told otherwise, cannot be made. The message says why it was refused."""


class JournalError(GenAICostError):
    """A journal segment cannot be written or read."""


class LedgerError(GenAICostError):
    """The ledger cannot be opened, or does not fit what was asked of it."""


class LedgerLockedError(LedgerError):
    """Another process is the ledger's writer."""


failures: dict[str, int] = {}
"""How often each guarded entry has failed in this process; metrics and `doctor` read it."""


class Seldom:
    """When something may be said again that may be so all the time: once a minute of each subject.

    Args:
        subjects_max: how many subjects are remembered; beyond that all are forgotten.
        monotonic_s: the monotonic clock, in seconds.
    """

    def __init__(
        self, subjects_max: int = 1_000, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._subjects_max, self._monotonic_s = subjects_max, monotonic_s
        self._said_s: dict[Hashable, float] = {}

    def may_say(self, subject: Hashable) -> bool:
        """Whether it is time; if so, it counts as said."""
        now_s = self._monotonic_s()
        if now_s - self._said_s.get(subject, -_LOG_EVERY_S) < _LOG_EVERY_S:
            return False
        if len(self._said_s) > self._subjects_max:
            self._said_s.clear()
        self._said_s[subject] = now_s
        return True


_logged = Seldom()


def guarded(entry: str, default: _D) -> Callable[[Callable[_P, _R]], Callable[_P, _R | _D]]:
    """Fence an entry from foreign code: on any error count it, log it at most once a minute, and
    return `default`. The only `except Exception` of the project."""

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R | _D]:
        @functools.wraps(function)
        def fenced(*args: _P.args, **kwargs: _P.kwargs) -> _R | _D:
            try:
                if kwargs:
                    return function(*args, **kwargs)
                return function(*args)  # type: ignore[call-arg]  # at four fifths of the price
            except Exception as error:  # noqa: BLE001 -- telemetry never breaks the caller's call
                _count(entry, error)
                return default

        return fenced

    return decorate


class fence:
    """`guarded` for a block that awaits: an error inside ends the block, is counted, and goes no further."""

    def __init__(self, entry: str) -> None:
        self._entry = entry

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        _count(self._entry, error)
        return True


def _count(entry: str, error: Exception) -> None:
    failures[entry] = failures.get(entry, 0) + 1
    if _logged.may_say(entry):
        _logger.error(
            "%s failed %d time(s) in this process, the call itself is unharmed: %s at %s",
            entry,
            failures[entry],
            _description(error),
            _place(error),
        )


def _description(error: Exception) -> str:
    """What it is. The text of one that is not ours is left out: it may be what a user or a model said."""
    kind = type(error).__qualname__
    return f"{kind}: {error}" if isinstance(error, GenAICostError) else kind


def _place(error: Exception) -> str:
    """Where it was raised, and through which lines."""
    lines = [
        f"{Path(frame.f_code.co_filename).name}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    return " < ".join(reversed(lines[-_PLACES_MAX:]))
