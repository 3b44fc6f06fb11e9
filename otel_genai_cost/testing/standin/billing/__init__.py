"""Billing systems for tests: each takes what its vendor takes, and refuses what its vendor's documents refuse.

`Fault` scripts what goes wrong; `quantity` says what a customer used, to compare with the ledger.
"""

from otel_genai_cost.testing.standin.billing.metronome import MetronomeStandIn
from otel_genai_cost.testing.standin.billing.server import BillingStandIn, Fault

__all__ = ["BillingStandIn", "Fault", "MetronomeStandIn"]
