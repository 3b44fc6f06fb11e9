"""At what price: from usage, a provider, a model and an instant, a cost in exact money, line by line.

Made from a price book of dated, sourced rows: the wheel's (`data/`), a team's own or overlays over either; for
`metering` and `replay`, which price observations, and for the ledger, which rates charges again. `money.py`,
`resolve.py` and `rate.py` are pure.
"""
