"""A vendor's API asked by the standard library alone: again after what passes, and its key goes nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from otel_genai_cost.errors import ConfigurationError

__all__ = ["answer_of", "base_of"]

_TIMEOUT_S: Final = 30.0
_TRIES: Final = 5
_WAIT_S: Final = 1.0
_WAIT_MAX_S: Final = 60.0
_LIMIT_BYTES: Final = 64 * 1024 * 1024
_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504, 529})

_Answer = TypeVar("_Answer")


class _NoRedirect(HTTPRedirectHandler):
    """A key goes to the host that it is for, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def base_of(url: str) -> str:
    """What the paths of an API are appended to.

    Args:
        url: where it is.

    Raises:
        ConfigurationError: if that is no address of HTTP.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigurationError("no address of an API", value=url, remedy="write https://…")
    return url.rstrip("/")


def answer_of(
    address: str,
    headers: Mapping[str, str],
    read: Callable[[bytes], _Answer],
    remedy: str,
    sleep: Callable[[float], None] = time.sleep,
) -> _Answer:
    """The answer, as it is read; asked again after what passes, twice as late each time or when the API says.

    Args:
        address: what is asked for; of it messages have no parameters.
        headers: with the key, which no message has.
        read: what is made of the answer; raises ValueError for what is cut off.
        remedy: what to do if there is none.
        sleep: waits before it is asked again.

    Raises:
        ConfigurationError: if the API refuses, or cannot be reached in five tries.
    """
    request = Request(address, headers={**headers, "User-Agent": "otel-genai-cost"})
    why, wait_s = "", _WAIT_S
    for attempt in range(_TRIES):
        if attempt:
            sleep(wait_s)
        wait_s = _WAIT_S * 2**attempt
        try:
            with build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S) as reply:
                return read(_whole(reply.read(_LIMIT_BYTES + 1)))
        except HTTPError as error:
            why = f"HTTP {error.code}"
            if error.code not in _AGAIN:
                break
            wait_s = max(wait_s, _said(error))
        except (URLError, OSError, HTTPException, ValueError, RecursionError) as error:
            why = str(getattr(error, "reason", error))[:200]
    raise _refusal(address, why, remedy)


def _said(error: HTTPError) -> float:
    """Seconds that the API says to wait, as far as we go along."""
    text = error.headers.get("Retry-After", "").strip()
    is_number = text.isascii() and text.isdecimal() and len(text) < 9
    return min(float(text), _WAIT_MAX_S) if is_number else 0.0


def _whole(content: bytes) -> bytes:
    if len(content) > _LIMIT_BYTES:
        raise ValueError(f"an answer of more than {_LIMIT_BYTES:,} bytes")
    return content


def _refusal(address: str, why: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(
        "the API gives no answer", value=address.partition("?")[0], where=why, remedy=remedy
    )
