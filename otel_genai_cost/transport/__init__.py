"""How requests come in and go out, whatever they are about: an HTTP server with bounds, TLS, addresses, protobuf's wire
format, Prometheus' text.

Made of Python's standard library alone, for the collector's hop and for whoever receives journals.
"""
