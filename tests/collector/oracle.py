"""What the hop makes of a request by protobuf's own library alone, which its own way is held against."""

from __future__ import annotations

from otel_genai_cost.collector.answer import Metadata
from otel_genai_cost.collector.hop import Hop

__all__ = ["by_protobuf"]


def by_protobuf(hop: Hop, request: bytes, metadata: Metadata = ()) -> bytes | ValueError:
    terms = hop._terms(metadata)
    passed = hop._by_protobuf(request, terms)
    assert hop._are_written(terms.lines)
    return passed
