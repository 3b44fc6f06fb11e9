"""What an HTTP answer of a billing system means for the events of a request, whoever sent it."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import Any, Final

from otel_genai_cost.billing.vendor import Came
from otel_genai_cost.errors import MissingExtraError, VendorError
from otel_genai_exporters.retry_after import retry_after_s

try:
    import httpx
except ImportError:
    raise MissingExtraError("a billing system", "httpx", "billing") from None

__all__ = [
    "TIMEOUT_S",
    "asking",
    "came_of_call",
    "came_of_error",
    "came_of_status",
    "decimals",
    "http_client",
    "known_url",
    "unknown_settings",
]

TIMEOUT_S: Final = 15.0
"""The longest that a billing system may take."""

_REASON_MAX: Final = 300
_REJECTING: Final = (400, 409, 413, 422)
"""What says that the events are wrong, and not the time, the key or the address."""

_SURELY_NOT: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "NewConnectionError", "ConnectTimeoutError"}
)
"""What is raised before anything is sent, by whatever library is below a vendor's."""


@cache
def _authorities() -> ssl.SSLContext:
    """Read once: it takes longer than a request."""
    return httpx.create_ssl_context()


def http_client(**options: Any) -> httpx.Client:
    """A client of HTTP that follows no redirects and waits for so long only.

    Args:
        options: further ones of httpx.
    """
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, verify=_authorities(), **options)


def came_of_status(status: int, text: str, headers: Mapping[str, str]) -> Came:
    """What an answer means.

    Args:
        status: of HTTP.
        text: what it says.
        headers: of it.
    """
    reason = f"HTTP {status}: {' '.join(text.split())}"[:_REASON_MAX]
    if status < 300:
        return Came("accepted")
    if status in _REJECTING:
        return Came("rejected", reason)
    known = {name.lower(): value for name, value in headers.items()}
    asked_s = retry_after_s(known.get("retry-after", ""))
    return Came("unsure" if status >= 500 or status == 408 else "refused", reason, asked_s)


def came_of_call(library: Any, call: Callable[[], object]) -> tuple[Came, object]:
    """What came of a request by a library of the same making as Metronome's and Orb's, and the document with which it
    was refused, if there is one.

    Args:
        library: its module.
        call: makes the request.
    """
    try:
        call()
    except library.APIStatusError as error:
        came = came_of_status(error.status_code, error.message, error.response.headers)
        return came, error.body
    except library.APIConnectionError as error:
        return came_of_error(error), None
    return Came("accepted"), None


def came_of_error(error: BaseException) -> Came:
    """What it means that there was no answer.

    Args:
        error: what was raised; a library may have wrapped what httpx raised.
    """
    causes = list(_causes(error))
    reason = f"{type(causes[-1]).__name__}: {causes[-1]}"[:_REASON_MAX]
    is_sure = any(type(one).__name__ in _SURELY_NOT for one in causes)
    return Came("refused" if is_sure else "unsure", reason)


def _causes(error: BaseException) -> Iterator[BaseException]:
    one: BaseException | None = error
    for _ in range(8):
        if one is None:
            return
        yield one
        one = one.__cause__ or one.__context__


@contextmanager
def asking(title: str, *errors: type[Exception]) -> Generator[None, None, None]:
    """A block that asks a billing system something.

    Args:
        title: its name.
        errors: what its library raises.

    Raises:
        VendorError: where it does not answer.
    """
    known: tuple[type[Exception], ...] = (
        *(httpx.HTTPError, KeyError, TypeError, ValueError),
        *errors,
    )
    try:
        yield
    except known as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:_REASON_MAX]
        raise VendorError(f"{title} does not say what it has: {what}") from None


def decimals(text: str) -> Any:
    """A JSON document, in which numbers are exact.

    Args:
        text: it.
    """
    return json.loads(text, parse_float=Decimal)


def unknown_settings(settings: Mapping[str, Any], known: Sequence[str]) -> list[str]:
    """Settings that a vendor does not have, each with what it has."""
    return [
        f"{name} is no setting of this vendor; known: {', '.join(sorted(known))}"
        for name in sorted(settings.keys() - set(known))
    ]


def known_url(settings: Mapping[str, Any], *, is_needed: bool = False) -> list[str]:
    """What is wrong with the `url` of a destination, and what to write."""
    text = settings.get("url")
    if text is None:
        return ["there is no url; write url = 'https://host'"] if is_needed else []
    try:
        url = httpx.URL(text if isinstance(text, str) else "")
    except httpx.InvalidURL:
        return ["url is none; write url = 'https://host'"]
    if url.scheme not in ("http", "https") or not url.host:
        return ["url is none of http or https; write url = 'https://host'"]
    return ["url holds a password; name it by key instead"] if url.userinfo else []
