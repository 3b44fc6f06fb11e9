"""Every format of bills, the first that knows a file is its format."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.reconciliation.importers.format import Format
from otel_genai_cost.reconciliation.importers.openai import COSTS, USAGE
from otel_genai_cost.reconciliation.importers.own_csv import OWN_CSV

__all__ = ["FORMATS"]

FORMATS: Final[tuple[Format, ...]] = (COSTS, USAGE, OWN_CSV)
