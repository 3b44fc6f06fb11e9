"""Spans of LLM clients, and edges where requests enter: what has to happen inside other people's libraries.

Made from facts, one file for each library (`clients/`, `edges/`), and machinery that exists once for sync, async and
streams (`call.py`); for OpenTelemetry, which loads each by its entry point. The core's attribute names, hosts, tenancy
and shared calls are all that is known of it here; no library is imported, each is patched when the application does so.
"""
