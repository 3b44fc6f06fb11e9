"""Billing systems for tests: each takes what its vendor takes, and refuses what its vendor's documents refuse.

`Fault` scripts what goes wrong; `quantity` says what a customer used, to compare with the ledger.
"""

from otel_genai_cost.testing.standin.billing.lago import LagoClickHouseStandIn, LagoStandIn
from otel_genai_cost.testing.standin.billing.metronome import MetronomeStandIn
from otel_genai_cost.testing.standin.billing.openmeter import OpenMeterStandIn
from otel_genai_cost.testing.standin.billing.orb import OrbStandIn
from otel_genai_cost.testing.standin.billing.server import BillingStandIn, Fault
from otel_genai_cost.testing.standin.billing.stripe import StripeStandIn
from otel_genai_cost.testing.standin.billing.webhook import WebhookStandIn

__all__ = [
    "BillingStandIn",
    "Fault",
    "LagoClickHouseStandIn",
    "LagoStandIn",
    "MetronomeStandIn",
    "OpenMeterStandIn",
    "OrbStandIn",
    "StripeStandIn",
    "WebhookStandIn",
]
