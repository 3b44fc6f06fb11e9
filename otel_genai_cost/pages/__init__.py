"""The pages that people keep open: live figures of a ledger, for each audience what it may see."""
