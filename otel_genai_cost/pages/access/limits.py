"""The rates that requests of the pages keep to."""

from __future__ import annotations

from dataclasses import dataclass, field

from otel_genai_cost.pages.access.rates import Rate

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """How often whom.

    Attributes:
        address: whatever an address asks for, before it is known who it is.
        viewer: pages, of one viewer: they are what costs time.
        failures: of an address: what was refused because it proves nobody to be anybody.
        signing_in: of an address: beginnings and ends of signing in, which the provider has work with, too.
    """

    address: Rate = field(default_factory=lambda: Rate(300, 30))
    viewer: Rate = field(default_factory=lambda: Rate(100, 10))
    failures: Rate = field(default_factory=lambda: Rate(10, 1 / 30))
    signing_in: Rate = field(default_factory=lambda: Rate(20, 1 / 3))
