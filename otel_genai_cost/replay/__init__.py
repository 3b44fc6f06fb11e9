"""The meter on recorded spans: from OTLP files to observations, and to what would be charged for them.

Made from JSON Lines or protobuf as the collector writes them, by the very path of the live processor and of the ledger;
for `genai-cost replay`, `compare` and `corpus record`.
"""
