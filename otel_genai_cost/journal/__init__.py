"""How facts travel between processes: observations as checksummed lines in files that only grow.

Made by `metering` in the application, one write for each call, and read by the ledger, which may lag, stop and start
again; no line is lost with a killed process, and what is missing or damaged is counted.
"""
