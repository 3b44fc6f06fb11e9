"""Spans on the wire: OTLP requests, in JSON or protobuf, as spans that the meter reads.

Made from bytes or parsed JSON, for the rooms that meter what other processes exported.
"""
