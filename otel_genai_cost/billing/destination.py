"""Where usage is sent: a billing system, which meters, and from when on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from otel_genai_cost.billing.meter import Meter
from otel_genai_cost.billing.vendor import Rules
from otel_genai_cost.settings import key_at

__all__ = ["Destination", "key_of"]


class Destination(NamedTuple):
    """A billing system that is sent usage.

    Attributes:
        name: of it, as people chose it.
        vendor: the kind of billing system.
        from_us: calls before it are not counted, unix microseconds.
        window_us: how long a window is.
        delay_us: how long after its end a window is sent.
        meters: what is counted.
        customers: by tenant, how the vendor names it; the registry's `billing_ids` say it of those that are not here.
        names_tenants: whether a tenant of which neither says it is named there as it stands on the calls.
        key: where the key is found: `env:NAME` or `file:PATH`; empty where none is needed.
        settings: of the vendor.
        past_us: how far back the vendor takes usage, where its account has another limit than its documents say.
        remembers_us: for how long it remembers ids, likewise.
        negative: whether it takes negative quantities, likewise.
    """

    name: str
    vendor: str
    from_us: int
    window_us: int
    delay_us: int
    meters: tuple[Meter, ...]
    customers: Mapping[str, str] = {}
    names_tenants: bool = False
    key: str = ""
    settings: Mapping[str, Any] = {}
    past_us: int | None = None
    remembers_us: int | None = None
    negative: bool | None = None

    def rules(self, documented: Rules) -> Rules:
        """What holds for this account.

        Args:
            documented: what the vendor documents.
        """
        past_us, remembers_us = self.past_us, self.remembers_us
        return documented._replace(
            past_us=documented.past_us if past_us is None else past_us,
            remembers_us=documented.remembers_us if remembers_us is None else remembers_us,
            negative=documented.negative if self.negative is None else self.negative,
        )


def key_of(destination: Destination) -> str:
    """The key of a destination; empty where none is needed.

    Raises:
        ConfigurationError: if it cannot be found.
    """
    return key_at(destination.key, f"destination {destination.name}") if destination.key else ""
