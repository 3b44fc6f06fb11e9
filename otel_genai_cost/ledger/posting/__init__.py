"""From verdicts to entries: what a charge comes to, less what is booked for it, is what is posted.

`position` and `post` are pure; `run` settles what is ripe in an open ledger and posts the difference.
"""
