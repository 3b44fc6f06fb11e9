"""Observations and entries on their way through brokers, and the ledger's rules where they come as a stream."""
