"""What is asked and sent by plain HTTP, where a vendor's library would add nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from otel_genai_cost.billing.vendor import Came
from otel_genai_cost.errors import MissingExtraError, VendorError
from otel_genai_exporters.billing.answers import (
    asking,
    came_of_error,
    came_of_status,
    decimals,
    http_client,
)

try:
    import httpx
except ImportError:
    raise MissingExtraError("a billing system", "httpx", "billing") from None

__all__ = ["HttpVendor"]


class HttpVendor:
    """A vendor that is reached by HTTP with a bearer token.

    Args:
        url: of its interface, without a path.
        key: the token; empty for none.
    """

    def __init__(self, url: str, key: str) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = http_client(base_url=url, headers=headers)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[Came, str]:
        """What came of a request, and what was answered.

        Args:
            path: where to.
            body: what.
            headers: beside those of every request.
        """
        try:
            answer = self._client.post(path, content=body, headers=dict(headers))
        except httpx.HTTPError as error:
            return came_of_error(error), ""
        return came_of_status(answer.status_code, answer.text, answer.headers), answer.text

    def get(self, title: str, path: str, query: Mapping[str, Any]) -> Any:
        """What is answered, with exact numbers.

        Args:
            title: of the vendor.
            path: what is asked.
            query: of it.

        Raises:
            VendorError: if nothing is.
        """
        with asking(title):
            answer = self._client.get(path, params=dict(query))
            if answer.status_code != int(httpx.codes.OK):
                raise VendorError(f"{title} does not say what it has: HTTP {answer.status_code}")
            return decimals(answer.text)

    def rejected_later(self, ids: Collection[str]) -> Mapping[str, str]:
        """None: what it accepted is valid."""
        return {}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()
