"""For whom: from what a request, a message or code says, the attribution of each call that the work makes.

Made from headers, baggage, envelopes and `tenant()` blocks; for `metering`, which reads it when a span starts, and for
clients and edges, which carry it on. Nobody's cost may land on another tenant, so what is in doubt is nobody's.
"""
