"""Who the tenants are: a dated table of names, plans, parents and aliases, joined when somebody reads a report.

Made from a file of TOML or CSV, or a query, by the command line alone: no application loads it, nothing is booked by
it, and it never comes from baggage.
"""
