"""Kinds of channels that notices are sent by."""

from __future__ import annotations
