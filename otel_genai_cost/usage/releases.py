"""Which releases of an instrumentation a row of facts holds for.

`0.55 .. 0.62` are the releases from 0.55 to the last patch of 0.62, `1 .. 3` those to the last with that major number,
and `0.55` alone all that begin so. `none .. 1.39` begins with releases that gave their scope no version. Nothing means
that the scope carries no version of the instrumentation: whatever stands there is somebody else's, so the row holds for
all, and what differs from release to release has to be seen on the span.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Releases", "releases", "version_of"]

Version = tuple[int, ...]

_NUMBERS: Final = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?")


class Releases(NamedTuple):
    """From the first release to the end of a series, both included; all, where there is no series."""

    first: Version = ()
    series: Version = ()

    def holds(self, version: str) -> bool:
        """Whether a scope of that version is one of these releases."""
        if not self.series:
            return True
        found = version_of(version)
        if found is None:
            return not self.first and not version
        return found >= self.first and found[: len(self.series)] <= self.series


def releases(text: str) -> Releases:
    """The releases of a row."""
    first, _, last = (each.strip() for each in text.partition(".."))
    begin = version_of(first) or ()
    end = version_of(last) or begin
    if not end:
        return Releases()
    return Releases(begin, end)


def version_of(text: str) -> Version | None:
    """The numbers that a version begins with; what comes after them (`b0`, `-rc.1`) makes no difference."""
    found = _NUMBERS.match(text)
    return None if found is None else tuple(int(n) for n in found.groups() if n is not None)
