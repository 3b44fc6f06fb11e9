"""The money: which observations are one charge, what each charge comes to, and the entries that say so.

Made from journal records, for sinks and reports: every total anywhere is a SUM over entries. One process writes.
"""
