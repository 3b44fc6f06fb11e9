"""What every answer tells the browser to keep to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["NAMES", "security_headers"]

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors "
)

_ALWAYS: Final = (
    ("referrer-policy", "no-referrer"),  # a link to a tenant's page is a secret
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)

NAMES: Final = frozenset(
    {
        *(name for name, _ in _ALWAYS),
        "content-security-policy",
        "x-frame-options",
        "cross-origin-resource-policy",
        "cache-control",
    }
)
"""What no page says for itself."""


def security_headers(
    embedded_by: Sequence[str] = (), *, is_static: bool = False
) -> list[tuple[str, str]]:
    """The headers of an answer, nothing of which comes from a request.

    Args:
        embedded_by: the origins whose pages may frame it; none for nobody.
        is_static: whether it is the same for everybody, and may be kept by caches.
    """
    framed = " ".join(embedded_by) or "'none'"
    more = [("content-security-policy", _POLICY + framed)]
    if not embedded_by:  # what has no way of naming origins
        more.append(("x-frame-options", "DENY"))
        more.append(("cross-origin-resource-policy", "same-origin"))
    more.append(("cache-control", "public, max-age=3600" if is_static else "no-store"))
    return [*_ALWAYS, *more]
