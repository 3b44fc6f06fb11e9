"""A refusal as its answer says it: a `google.rpc.Status` in JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost.forwarding.wire import REFUSAL_REASONS, Refusal, RefusalReason

__all__ = ["refusal_body", "refusal_in"]

_CODE_OF: Final[Mapping[RefusalReason, int]] = {
    "HOLE": 14,
    "FULL": 14,
    "BUSY": 14,
    "CLOCK": 14,
    "NEWER": 14,
    "DIFFERENT": 9,
    "MALFORMED": 3,
    "UNAUTHENTICATED": 16,
    "FORBIDDEN": 7,
    "TOO_LARGE": 8,
    "FENCED": 9,
    "UNKNOWN_BOOK": 5,
}
"""`google.rpc.Code`."""

_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"
_DOMAIN: Final = "otel-genai-cost"
_MESSAGE_MAX: Final = 500


def refusal_body(refusal: Refusal) -> bytes:
    """A `google.rpc.Status` in JSON.

    Args:
        refusal: of a reason.
    """
    reason = refusal.reason or "BUSY"
    said = {
        "@type": _ERROR_INFO,
        "reason": reason,
        "domain": _DOMAIN,
        "metadata": dict(refusal.metadata),
    }
    status = {"code": _CODE_OF[reason], "message": refusal.message, "details": [said]}
    return json.dumps(status, separators=(",", ":")).encode()


def refusal_in(body: bytes) -> Refusal:
    """Why a request was refused, as far as the body of the answer says it.

    Args:
        body: of any answer that is no 200; whatever is in between may have written it.
    """
    try:
        read: Any = json.loads(body)
    except (ValueError, RecursionError):
        return Refusal(None, body[:_MESSAGE_MAX].decode(errors="replace").strip())
    if not isinstance(read, dict):
        return Refusal(None, str(read)[:_MESSAGE_MAX])
    status = cast("dict[str, Any]", read)
    message = str(status.get("message", ""))[:_MESSAGE_MAX]
    details: object = status.get("details")
    for detail in cast("list[object]", details) if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        said = cast("dict[str, Any]", detail)
        reason = said.get("reason")
        if said.get("domain") == _DOMAIN and reason in REFUSAL_REASONS:
            return Refusal(reason, message, _metadata(said))
    return Refusal(None, message)


def _metadata(detail: dict[str, Any]) -> Mapping[str, str]:
    found = detail.get("metadata")
    if not isinstance(found, dict):
        return {}
    return {key: str(value) for key, value in cast("dict[str, Any]", found).items()}
