"""Topics of brokers: entries go out by them, and observations come in."""
