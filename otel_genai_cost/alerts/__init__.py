"""Delivery of notices: at least once, signed, with retries and dead letters."""

from __future__ import annotations
