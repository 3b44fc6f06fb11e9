"""Servers that speak a provider's wire format and keep the bill, one file for each provider.

`StandIn` speaks all of them at once; `Answer` and `Usage` script what it does.
"""

from otel_genai_cost.testing.standin.script import Answer, ToolCall, Usage
from otel_genai_cost.testing.standin.server import StandIn

__all__ = ["Answer", "StandIn", "ToolCall", "Usage"]
