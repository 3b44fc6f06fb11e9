"""Queues: one file of facts a library. Where a message is made, where it is read, and what carries its envelope."""
