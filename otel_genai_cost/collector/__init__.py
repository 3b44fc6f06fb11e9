"""The meter on the wire: OTLP requests of other services, priced on their way and passed on.

Made from the bytes that come, which are changed where a span's cost is added and nowhere else; for teams whose services
in Go, Java or TypeScript do not run our processor.
"""
