"""Entries to any receiver of OTLP: each as a log event, and their sums as metrics.

`event` says what an entry is called there and `position` how far a receiver is; `sink` is the sink of events. `clients`
is the only file that knows the exporters of OpenTelemetry.
"""
