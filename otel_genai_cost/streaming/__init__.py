"""Observations and entries on their way through brokers."""
