"""The ledger's file and what lies beside it: one SQLite file, one writer, readers that never wait.

Keeps observations, what became of them, entries and cursors; `keeping` backs them up, `decided` writes decisions down.
"""
