"""What a gateway answers in the place of a provider: a status that SDKs do not try again, and a body in the shape that
the providers' own errors have in common. It names no sums: these are the team's."""

from __future__ import annotations

import json

from otel_genai_cost.blocks import Block

__all__ = ["refusal"]


def refusal(block: Block) -> tuple[int, dict[str, str], bytes]:
    """The status, headers and body of a refusal.

    Args:
        block: why the call is not made.
    """
    headers = {"content-type": "application/json", "x-should-retry": "false"}
    if block.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(block.retry_after_s)))
    said = {"type": block.type, "scope": block.scope, "reset_at": block.reset_at}
    error = {**said, "code": block.type, "message": block.message}
    return block.status, headers, json.dumps({**said, "error": error}).encode()
