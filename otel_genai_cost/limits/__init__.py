"""May it be spent: budgets, their periods and thresholds, holds and credits. Pure."""

from __future__ import annotations
