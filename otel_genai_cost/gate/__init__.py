"""Admission of calls before they are made: reserve, settle and release over HTTP."""

from __future__ import annotations
