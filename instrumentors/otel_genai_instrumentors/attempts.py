"""What became of the requests of one call: made, sent, answered. Read from errors' names, so that no HTTP library is
imported."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

__all__ = ["Attempts", "is_answered", "is_refusal", "never_left", "status_of"]

_NEVER_LEFT: Final = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
        "LocalProtocolError",
        "InvalidURL",
        "ConnectionRefusedError",
        "gaierror",
        "SSLCertVerificationError",
        "NewConnectionError",
        "ClientConnectorError",
        "InvalidUrlClientError",
        "DefaultCredentialsError",
        "RefreshError",
        "EndpointConnectionError",
        "ConnectTimeoutError",
        "ProxyConnectionError",
    }
)
"""Errors of httpx, aiohttp, urllib3, botocore, Google's authentication and the sockets below them, raised before a
request is with its server."""

_CLOSED_CLIENT: Final = "client has been closed"
_ERRORS: Final = 400
_GATEWAY_TIME_OUTS: Final = frozenset({408, 499, 504, 522, 524})
"""Replies that say that the one who could have answered was given up on."""


def never_left(error: BaseException) -> bool:
    """Whether the request that ended in this error never reached a server."""
    places = (error, _cause(error), _reason(error))
    if any(type(each) is RuntimeError and _CLOSED_CLIENT in str(each) for each in places):
        return True
    kinds = (kind for each in places for kind in type(each).__mro__)
    return not _NEVER_LEFT.isdisjoint(kind.__name__ for kind in kinds)


def _reason(error: BaseException) -> object:
    """What urllib3 gave up for, in the error that `requests` makes of that."""
    return getattr(error.args[0], "reason", None) if error.args else None


def _cause(error: BaseException) -> BaseException | None:
    """What a client's own error was made of, also where it hides that (`from None`)."""
    return error.__cause__ or (error.__context__ if error.__suppress_context__ else None)


def is_answered(error: BaseException) -> bool:
    """Whether the provider itself replied, if only with an error."""
    status = status_of(error)
    return status is not None and status not in _GATEWAY_TIME_OUTS


def is_refusal(status: int) -> bool:
    """Whether a reply of this status says that its sender did not do the work."""
    return status >= _ERRORS and status not in _GATEWAY_TIME_OUTS


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status of the reply that an error is about: its response's, or what it says itself.
    botocore's response is a mapping."""
    if not isinstance(error, Exception):  # the code of a SystemExit is none
        return None
    response: Any = getattr(error, "response", None)
    found = (
        _inner(_inner(response, "ResponseMetadata"), "HTTPStatusCode"),
        getattr(response, "status_code", None),
        getattr(error, "status_code", None),
        getattr(error, "code", None),
    )
    return next((status for status in found if type(status) is int and 100 <= status < 600), None)


class _Fate(NamedTuple):
    """What became of a request that ended in an error; its status is 0 without a reply."""

    status: int
    is_unsent: bool = False
    is_unanswered: bool = False


def _fate(error: BaseException) -> _Fate:
    status = status_of(error) or 0
    if is_answered(error):
        return _Fate(status)
    is_unsent = never_left(error)
    return _Fate(status, is_unsent, not is_unsent)


def _fate_of(status: int) -> _Fate:
    return _Fate(status, is_unanswered=status in _GATEWAY_TIME_OUTS)


def _inner(holder: Any, key: str) -> Any:
    return cast("dict[str, Any]", holder).get(key) if isinstance(holder, dict) else None


class Attempts:
    """The requests that one call made.

    `sent` counts those that may have reached a server. `unanswered` counts those that were given up on and made anew:
    the provider may have done, and billed, the work of each. `statuses` are those of the replies to requests that were
    made anew, 0 where there was none.
    """

    __slots__ = ("_last", "_made", "_refused", "_unsent", "statuses", "unanswered")

    def __init__(self) -> None:
        self._made = self._unsent = self._refused = self.unanswered = 0
        self._last: _Fate | None = None
        self.statuses: list[int] = []

    @property
    def sent(self) -> int:
        return self._made - self._unsent

    def sent_with(self, error: BaseException | None) -> int:
        """How many may have reached a server, if the last one ended in this error."""
        is_unsent = error is not None and never_left(error)
        return self.sent - is_unsent

    def made(self) -> None:
        """A request is built and about to be sent; one that ended before it was given up on."""
        if self._last is not None:
            self._count(self._last)
            self._last = None
        self._made += 1

    def ended(self, how: BaseException | int) -> None:
        """A request ended in this error, or with this status. Another may be made in its place, which only `made`
        says."""
        self._last = _fate(how) if isinstance(how, BaseException) else _fate_of(how)

    def refused(self, status: int) -> None:
        """The reply to the last one has this status, and it is asked whether to make it anew."""
        self._refused = status

    def given_up(self, error: BaseException | None) -> None:
        """The client makes it anew, after this error; None if it never made one of the reply."""
        if error is None:
            self._count(_fate_of(self._refused))
        else:
            self._count(_fate(error))

    def _count(self, fate: _Fate) -> None:
        self.statuses.append(fate.status)
        self._unsent += fate.is_unsent
        self.unanswered += fate.is_unanswered

    def failed(self, error: BaseException) -> None:
        """The last one ended in this error."""
        if never_left(error):
            self._unsent += 1
