"""Sinks: stores that the ledger's entries are copied to, and that can be refilled from it at any time.

Made from entries, one file for each store, for reports and for other people's tools. Spans, prices and the journal are
unknown here.
"""
