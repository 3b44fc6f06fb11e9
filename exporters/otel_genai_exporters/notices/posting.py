"""One POST to a receiver: to an address that was checked, without redirects, and without reading what it answers."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from otel_genai_cost.alerts.channel import ATTEMPT_S, Outcome, Sent
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_exporters.notices.addresses import Lookup, look_up, public_only
from otel_genai_exporters.retry_after import retry_after_s

try:
    import httpx
except ImportError:
    raise MissingExtraError("a channel of notices", "httpx", "alerts") from None

__all__ = ["Poster", "url_problems"]

_CONNECT_S: Final = 5.0
"""So that there is time for another address."""

_ADDRESSES_MAX: Final = 3
_GONE: Final = 410
_AGENT: Final = "otel-genai-cost"


@cache
def _authorities() -> ssl.SSLContext:
    """Read once: it takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def url_problems(settings: Mapping[str, Any], *, is_tenants: bool) -> list[str]:
    """What is wrong with the `url` of a channel's settings, and what to write.

    Args:
        settings: the channel's.
        is_tenants: whether a tenant receives there, who must use https and whose host must be public.
    """
    text = settings.get("url")
    try:
        url = httpx.URL(text if isinstance(text, str) else "")
    except httpx.InvalidURL:
        return ["url is none; write https://host/path"]
    if url.scheme not in ("http", "https") or not url.host:
        return ["url is none of http or https; write https://host/path"]
    if is_tenants and url.scheme != "https":
        return ["url of a tenant's channel is not of https; write https://host/path"]
    if url.userinfo:
        return ["url holds a password; leave it out: requests are signed"]
    return []


class Poster:
    """Posts to one URL.

    Args:
        url: where to.
        is_tenants: whether only public addresses will do.
        lookup: how hosts are looked up.
        verify: what certificates are checked with; True for the authorities of the system's list.
    """

    def __init__(
        self, url: str, *, is_tenants: bool, lookup: Lookup = look_up, verify: Any = True
    ) -> None:
        self._url = httpx.URL(url)
        self._host = self._url.raw_host.decode("ascii")  # one spelling of it, whoever asks
        self._lookup = public_only(lookup) if is_tenants else lookup
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(ATTEMPT_S, connect=_CONNECT_S),
            follow_redirects=False,
            trust_env=False,
            verify=_authorities() if verify is True else verify,
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Sent:
        """Post once.

        Args:
            body: what.
            headers: beside those that every request has.
        """
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            addresses = await self._lookup(self._host, port)
        except ConfigurationError as error:
            return Sent("failed", error.what)
        except (OSError, UnicodeError) as error:
            return Sent("failed", f"no address of {self._host}: {type(error).__name__}")
        refused = f"no address of {self._host}"
        for address in addresses[:_ADDRESSES_MAX]:
            try:
                return await self._post_to(address, body, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused = f"cannot connect: {error or type(error).__name__}"
            except httpx.HTTPError as error:
                return Sent("failed", f"{type(error).__name__}: {error}")
        return Sent("failed", refused)

    async def _post_to(self, address: str, body: bytes, headers: Mapping[str, str]) -> Sent:
        host = self._url.netloc.decode("ascii")
        request = self._client.build_request(
            "POST",
            self._url.copy_with(host=address),
            content=body,
            headers={
                "Host": host,
                "User-Agent": _AGENT,
                "Content-Type": "application/json",
                **headers,
            },
            extensions={"sni_hostname": self._host},
        )
        response = await self._client.send(request, stream=True)
        await response.aclose()  # whatever it says, it says in its head
        return _sent(response)


def _sent(response: httpx.Response) -> Sent:
    if response.is_success:
        return Sent("delivered")
    outcome: Outcome = "gone" if response.status_code == _GONE else "failed"
    asked_s = retry_after_s(response.headers.get("retry-after", ""))
    return Sent(outcome, f"status {response.status_code}", asked_s)
