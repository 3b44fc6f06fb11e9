"""Who asks by a reverse proxy that knows, and proves by a secret that it is the proxy. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from otel_genai_cost.pages.access.options import ProxyOptions
from otel_genai_cost.pages.access.who import Row, viewer_by
from otel_genai_cost.pages.viewer import Viewer

__all__ = ["has_secret", "viewer_of_proxy"]


def has_secret(options: ProxyOptions, headers: Mapping[str, Sequence[str]]) -> bool:
    """Whether it is the proxy that asks; how long that takes says nothing of how much of a secret is right.

    Args:
        options: its secret.
        headers: every value of each, by its name in lower case.
    """
    given = headers.get(options.secret_header, ())
    found = _digest(given[0] if len(given) == 1 else "")
    return hmac.compare_digest(found, _digest(options.secret))


def viewer_of_proxy(
    options: ProxyOptions, rows: Iterable[Row], headers: Mapping[str, Sequence[str]]
) -> Viewer | None:
    """Who the proxy says it is; None if that is nobody to us.

    A header that comes twice is one that a caller sent and the proxy did not take out.

    Args:
        options: in which header what stands.
        rows: what makes somebody what.
        headers: every value of each, by its name in lower case.
    """
    claims: dict[str, str | list[str] | bool] = {"email_verified": True}
    for name, header in options.claims.items():
        values = headers.get(header, ())
        if len(values) > 1:
            return None
        if values:
            parts = [part.strip() for part in values[0].split(",")]
            claims[name] = parts if len(parts) > 1 else parts[0]
    return viewer_by(rows, claims, options.name)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogateescape")).digest()
