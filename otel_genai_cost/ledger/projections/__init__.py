"""Tables that follow from entries and from what people decided, kept in the transaction that books the entries."""

from __future__ import annotations
