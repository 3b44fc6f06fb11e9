"""Every format of bills; the first that knows a file is its format."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.reconciliation.importers.anthropic import ANTHROPIC
from otel_genai_cost.reconciliation.importers.aws import CUR
from otel_genai_cost.reconciliation.importers.azure import COST_DETAILS
from otel_genai_cost.reconciliation.importers.focus import FOCUS
from otel_genai_cost.reconciliation.importers.format import Format
from otel_genai_cost.reconciliation.importers.gcp import BIGQUERY
from otel_genai_cost.reconciliation.importers.openai import COSTS, USAGE
from otel_genai_cost.reconciliation.importers.openrouter import GENERATIONS, OPENROUTER
from otel_genai_cost.reconciliation.importers.own_csv import OWN_CSV

__all__ = ["FORMATS"]

FORMATS: Final[tuple[Format, ...]] = (
    *(COSTS, USAGE, ANTHROPIC, OPENROUTER, GENERATIONS),
    *(CUR, COST_DETAILS, BIGQUERY, FOCUS),
    OWN_CSV,
)
