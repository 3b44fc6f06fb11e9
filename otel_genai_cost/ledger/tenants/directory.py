"""Which tenant an id means at a time, and which tenant stands above it. Pure.

An id's own rows and the aliases that others have of it divide its time; `pieces` follows merges, aliases and parents
through all of their dates, so that every instant of an id has one answer or none.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final, NamedTuple, TypeVar

from otel_genai_cost.errors import Problem, TenantsError
from otel_genai_cost.ledger.tenants.row import FOREVER_US, TenantRow

__all__ = ["NOT_REGISTERED", "Directory", "Piece", "directory_of", "joined_stretches"]

_V = TypeVar("_V")
_DEPTH_MAX: Final = 64
"""Of parents above one another, and of merges one after the other."""


class Piece(NamedTuple):
    """What an id means in [from, to), in unix microseconds.

    Attributes:
        row: of the tenant that it means.
        top: the id of the topmost tenant above that one; its own where nothing is.
    """

    from_us: int
    to_us: int
    row: TenantRow
    top: str


class _Claim(NamedTuple):
    """A row that says what an id means in [from, to): the tenant's own, or one that has it as an alias."""

    from_us: int
    to_us: int
    row: TenantRow


class Directory(NamedTuple):
    """Every row of the registry, and what each id means, in the order of time.

    Attributes:
        rows: by tenant and time.
        pieces: by id. Those of an id never overlap.
    """

    rows: tuple[TenantRow, ...]
    pieces: Mapping[str, tuple[Piece, ...]]

    def at(self, name: str | None, us: int) -> Piece | None:
        """What an id means at a time; None where the registry does not say.

        Args:
            name: the id, as it stands on the call; None for a call without one.
            us: unix microseconds.
        """
        pieces = self.pieces.get(name or "", ())
        place = bisect_right(pieces, us, key=lambda piece: piece.from_us) - 1
        return pieces[place] if place >= 0 and us < pieces[place].to_us else None

    def own(self, tenant: str, us: int) -> TenantRow | None:
        """The row of a tenant itself that holds at a time, whoever it is merged into; None if none does.

        Args:
            tenant: its id; of an alias there is none.
            us: unix microseconds.
        """
        begun = bisect_right(self.rows, (tenant, us), key=lambda row: (row.tenant, row.from_us))
        last = self.rows[begun - 1] if begun else None
        if last is None or last.tenant != tenant:
            return None
        return last if last.to_us is None or us < last.to_us else None

    def as_of(self, us: int) -> Directory:
        """The same directory, in which at all times holds what held at `us`, in unix microseconds."""
        found = {name: self.at(name, us) for name in self.pieces}
        always = {
            name: (piece._replace(from_us=-FOREVER_US, to_us=FOREVER_US),)
            for name, piece in found.items()
            if piece is not None
        }
        return Directory(self.rows, always)


NOT_REGISTERED: Final = Directory((), {})
"""Nobody is registered: every id stands for itself."""


def directory_of(rows: Iterable[TenantRow]) -> Directory:
    """The directory of some rows.

    Args:
        rows: checked, each by itself.

    Raises:
        TenantsError: with every problem, where rows contradict each other.
    """
    ordered = tuple(sorted(rows, key=lambda row: (row.tenant, row.from_us)))
    problems: list[Problem] = []
    claims = _claims(ordered, problems)
    pieces: dict[str, tuple[Piece, ...]] = {}
    if not problems:  # what follows takes it for granted that nothing overlaps
        meanings = _Meanings(claims, problems)
        pieces = {name: meanings.pieces(name) for name in claims}
    if problems:
        raise TenantsError(tuple(dict.fromkeys(problems)))
    return Directory(ordered, pieces)


class _Meanings:
    """Follows ids through merges and parents; what leads nowhere is added to `problems`."""

    def __init__(self, claims: Mapping[str, Sequence[_Claim]], problems: list[Problem]) -> None:
        self._claims, self._problems = claims, problems

    def pieces(self, name: str) -> tuple[Piece, ...]:
        """Of one id, in the order of time."""
        found = (
            (since_us, until_us, (row, top))
            for from_us, to_us, row in self._meant(name, -FOREVER_US, FOREVER_US)
            for since_us, until_us, top in self._top(row, from_us, to_us)
        )
        return tuple(
            Piece(from_us, to_us, row, top)
            for from_us, to_us, (row, top) in joined_stretches(found)
        )

    def _meant(
        self, name: str, from_us: int, to_us: int, path: tuple[str, ...] = ()
    ) -> Iterator[_Claim]:
        """The rows of the tenants that an id means in [from, to), through all merges."""
        for claim in _within(self._claims.get(name, ()), from_us, to_us):
            into, steps = claim.row.merged_into, (*path, claim.row.tenant)
            if into is None:
                yield claim
            elif into not in self._claims:
                self._problem(claim.row, f"is merged into {into!r}, which has no row", "add one")
            elif into in steps or len(steps) > _DEPTH_MAX:
                self._cycle(claim.row, "is merged into itself", (*steps, into))
            else:
                yield from self._meant(into, claim.from_us, claim.to_us, steps)

    def _top(
        self, row: TenantRow, from_us: int, to_us: int, path: tuple[str, ...] = ()
    ) -> Iterator[tuple[int, int, str]]:
        """The topmost tenant above a row in [from, to). A parent that has no row then has none above it."""
        parent, path = row.parent, (*path, row.tenant)
        if parent is None:
            yield from_us, to_us, row.tenant
            return
        since_us = from_us
        for start_us, end_us, above in self._meant(parent, from_us, to_us):
            if start_us > since_us:
                yield since_us, start_us, parent
            since_us = end_us
            if above.tenant in path or len(path) > _DEPTH_MAX:
                self._cycle(row, "is its own parent", (*path, above.tenant))
            else:
                yield from self._top(above, start_us, end_us, path)
        if since_us < to_us:
            yield since_us, to_us, parent

    def _cycle(self, row: TenantRow, what: str, path: tuple[str, ...]) -> None:
        if path[-1] in path[:-1]:
            steps = " -> ".join(path[path.index(path[-1]) :])
            self._problem(row, f"{what}: {steps}", "take one of these out, or end it earlier")
        else:
            self._problem(row, f"stands under more than {_DEPTH_MAX} others", "leave some out")

    def _problem(self, row: TenantRow, what: str, remedy: str) -> None:
        self._problems.append(Problem(row.file, row.line, f"{row.tenant!r} {what}", remedy))


def _claims(rows: Sequence[TenantRow], problems: list[Problem]) -> dict[str, list[_Claim]]:
    """By id, in the order of time. A row without an end holds until the tenant's next one."""
    found: dict[str, list[_Claim]] = {}
    for _, own in groupby(rows, key=lambda row: row.tenant):
        of_tenant = list(own)
        begins = [row.from_us for row in of_tenant[1:]]
        for row, next_us in zip(of_tenant, [*begins, FOREVER_US], strict=True):
            to_us = next_us if row.to_us is None else row.to_us
            for name in (row.tenant, *row.aliases):
                found.setdefault(name, []).append(_Claim(row.from_us, to_us, row))
    for name, claims in found.items():
        claims.sort(key=lambda claim: claim[:2])
        for one, other in pairwise(claims):
            if one.to_us > other.from_us or one.from_us == other.from_us:
                problems.append(_overlap(name, one.row, other.row))
    return found


def _overlap(name: str, one: TenantRow, other: TenantRow) -> Problem:
    """Two rows that say what an id means at one time."""
    place = f"{one.file}:{one.line}" if one.line else one.file
    zones = [row.billing.time_zone or "UTC" for row in (one, other)]
    if one.tenant == other.tenant == name and zones[0] != zones[1]:
        return Problem(
            other.file,
            other.line,
            f"{name!r} is in two time zones at one time: {zones[1]} by this row and {zones[0]} by one at {place}",
            "end one of them where the other begins (to = …), or leave one out",
        )
    return Problem(
        other.file,
        other.line,
        f"{name!r} has two meanings at one time: this row of {other.tenant!r} and one of {one.tenant!r} at {place}",
        "end one of them where the other begins (to = …), or take the id out of one",
    )


def _within(claims: Iterable[_Claim], from_us: int, to_us: int) -> Iterator[_Claim]:
    for claim in claims:
        since_us, until_us = max(claim.from_us, from_us), min(claim.to_us, to_us)
        if since_us < until_us:
            yield claim._replace(from_us=since_us, to_us=until_us)


def joined_stretches(stretches: Iterable[tuple[int, int, _V]]) -> Iterator[tuple[int, int, _V]]:
    """Stretches of time in their order, of which those that touch and say the same are one.

    Args:
        stretches: from, to, and what is said of that time.
    """
    last: tuple[int, int, _V] | None = None
    for from_us, to_us, said in stretches:
        if last is not None and last[1:] == (from_us, said):
            from_us = last[0]
        elif last is not None:
            yield last
        last = from_us, to_us, said
    if last is not None:
        yield last
