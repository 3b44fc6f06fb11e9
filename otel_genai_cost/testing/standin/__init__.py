"""Servers that speak a provider's wire format and keep the bill, one file for each provider."""
