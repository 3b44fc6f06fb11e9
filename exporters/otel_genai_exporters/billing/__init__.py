"""Billing systems that usage is sent to, a file of facts each."""

from __future__ import annotations
