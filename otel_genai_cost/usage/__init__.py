"""How much: from a span that any instrumentation made, the usage of one response in disjoint leaves.

Made from span attributes, by one dialect for each way of writing them (`dialects/`) and what is known of each release
(`instrumentations/`); for `metering` and `replay`, which price it. Pure: no I/O, no clock, no OpenTelemetry.
"""
