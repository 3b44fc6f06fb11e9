"""What the provider's invoice says, beside what the ledger says."""
