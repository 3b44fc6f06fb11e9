"""Stores of holds that several gates share."""

from __future__ import annotations
