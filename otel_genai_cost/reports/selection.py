"""Which calls a report speaks of: of what time, of whom, and in whose clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.tenants.directory import NOT_REGISTERED, Directory
from otel_genai_cost.ledger.tenants.named import ids_in, is_named
from otel_genai_cost.limits.unusual import NOBODY
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.vocabulary import Side

__all__ = ["EVERYTHING", "NOBODY", "Selection", "local_time"]

_NONE: Final = "-"
"""Stands for calls without a model or a feature."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Selection(NamedTuple):
    """Calls that occurred in [from, to), of any of the tenants, models and features named; none named are all.

    Attributes:
        from_us: unix microseconds, None for no limit.
        to_us: the first instant that no longer counts, None for no limit.
        tenants: `unattributed` stands for calls without one, `=unattributed` for the tenant of that id.
        models: as they are booked; `-` stands for calls without one.
        features: `-` stands for calls without one.
        zone: whose days, weeks and hours are meant.
        as_of_us: whose rows of the registry hold for all calls; None for those of each call's own time.
        directory: the registry, seen so.
        side: whose money sums are of: what calls cost us, or what their customers pay.
        visible: the tenants that whoever asks may see at all, by the ids that calls are shown under; calls without one
            are then nobody's to see. None for everything, empty for nothing.
    """

    from_us: int | None = None
    to_us: int | None = None
    tenants: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    zone: tzinfo = timezone.utc
    as_of_us: int | None = None
    directory: Directory = NOT_REGISTERED
    side: Side = "cost"
    visible: tuple[str, ...] | None = None

    def has(self, position: Position) -> bool:
        """Whether it speaks of this position of a charge."""
        if self.from_us is self.to_us is None and not (
            self.is_by_tenant or self.models or self.features
        ):
            return True
        return self.has_call(
            position.occurred_us,
            position.attribution.tenant,
            position.model,
            position.attribution.labels.get("feature"),
        )

    def has_call(
        self, occurred_us: int, tenant: str | None, model: str | None, feature: str | None
    ) -> bool:
        """Whether a call is one of those selected.

        Args:
            occurred_us: when it ended, in unix microseconds.
            tenant: as it was booked; None if it is unattributed.
            model: None if it is unknown.
            feature: None if none was named.
        """
        if self.from_us is not None and occurred_us < self.from_us:
            return False
        if self.to_us is not None and occurred_us >= self.to_us:
            return False
        return (
            self.shows(self.tenant_of(tenant, occurred_us))
            and _named(model, self.models)
            and _named(feature, self.features)
        )

    def shows(self, tenant: str | None) -> bool:
        """Whether a tenant is one of those selected that may be seen.

        Args:
            tenant: as calls are shown under it; None for those without one.
        """
        may_be_seen = self.visible is None or tenant in self.visible
        return may_be_seen and (not self.tenants or is_named(tenant, self.tenants))

    @property
    def is_by_tenant(self) -> bool:
        """Whether it depends on the tenant which calls are meant."""
        return self.visible is not None or bool(self.tenants)

    def tenant_of(self, tenant: str | None, occurred_us: int) -> str | None:
        """The tenant that a call is shown under: the one that its id was merged into or is an alias of, at its time.

        Args:
            tenant: as it was booked; None if it is unattributed.
            occurred_us: when the call ended, in unix microseconds.
        """
        piece = self.directory.at(tenant, occurred_us)
        return tenant if piece is None else piece.row.tenant

    def condition(self, first: int, tenant: str = "tenant") -> tuple[str, list[Any]]:
        """What selects the same entries in SQL, and its parameters.

        Args:
            first: the number of the first parameter.
            tenant: what stands for the tenant.
        """
        parts: list[str] = []
        parameters: list[Any] = []

        def parameter(value: str) -> str:
            parameters.append(value)
            return f"${first + len(parameters) - 1}"

        for sign, us in ((">=", self.from_us), ("<", self.to_us)):
            if us is not None:
                moment = parameter(rfc3339(us).removesuffix("Z"))
                parts.append(f"occurred {sign} CAST({moment} AS TIMESTAMP)")
        if self.visible is not None:
            seen = ", ".join(map(parameter, self.visible))
            parts.append(f"{tenant} IN ({seen})" if seen else "FALSE")
        for column, names, has_none in (
            (tenant, ids_in(self.tenants), NOBODY in self.tenants),
            ("model", _without_none(self.models), _NONE in self.models),
            ("feature", _without_none(self.features), _NONE in self.features),
        ):
            named = ", ".join(map(parameter, names))
            either = [f"{column} IN ({named})"] if named else []
            either += [f"{column} IS NULL"] if has_none else []
            parts += [f"({' OR '.join(either)})"] if either else []
        return " AND ".join(parts) or "TRUE", parameters

    @property
    def span(self) -> str:
        """When its time begins and ends, in words; "" where it does neither."""
        ends = (("from", self.from_us), ("before", self.to_us))
        return " ".join(
            f"{word} {local_time(self.zone, us)}" for word, us in ends if us is not None
        )

    def __str__(self) -> str:
        """In words, for a person."""
        words = [self.span] if self.span else []
        for what, names in (
            ("tenant", self.tenants),
            ("model", self.models),
            ("feature", self.features),
        ):
            words += [f"of {what} {' or '.join(names)}"] if names else []
        return " ".join(words) or "at any time"


EVERYTHING: Final = Selection()


def _named(value: str | None, names: Sequence[str]) -> bool:
    return not names or (_NONE in names if value is None else value in _without_none(names))


def _without_none(names: Sequence[str]) -> list[str]:
    return [name for name in names if name != _NONE]


def local_time(zone: tzinfo, us: int) -> str:
    """An instant as that zone's clock shows it: RFC 3339 with the zone's offset, `Z` for UTC.

    Args:
        zone: whose clock.
        us: unix microseconds.
    """
    instant = (_EPOCH + timedelta(microseconds=us)).astimezone(zone)
    return instant.isoformat().replace("+00:00", "Z")
