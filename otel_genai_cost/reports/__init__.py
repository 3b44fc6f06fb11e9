"""Answers for people: tables, receipts, one HTML page, and comparisons with what other tools say.

Made from a sink that can answer SQL (sums) and from the ledger (receipts), for the command line. Nothing here computes
a price: every total is a SUM over entries.
"""
