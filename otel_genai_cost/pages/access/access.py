"""What the guard of the pages goes by: who may, what it signs with, how often, and with whom people sign in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from otel_genai_cost.pages.access.keys import Key
from otel_genai_cost.pages.access.limits import Limits
from otel_genai_cost.pages.access.options import LOCAL_ACCESS, AccessOptions
from otel_genai_cost.pages.access.signed import Signer
from otel_genai_cost.pages.viewer import Viewer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = [
    "SIGNING_IN",
    "SIGN_IN",
    "SIGN_OUT",
    "Access",
    "SignedIn",
    "SigningIn",
    "cookie_name",
    "local_access",
]

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
SIGNING_IN: Final = "sign-in"
"""The cookie that a browser has while it is at the provider."""


class SignedIn(NamedTuple):
    """Who has signed in, and the page that they wanted to see."""

    viewer: Viewer
    to: str


class SigningIn(Protocol):
    """A provider that people sign in with."""

    async def begin(self, request: Request) -> Response:
        """Send a browser there."""
        ...

    async def end(self, request: Request) -> SignedIn | Response:
        """Who comes back from there, or why nobody does."""
        ...


def cookie_name(options: AccessOptions, what: str = "") -> str:
    """What a cookie is called: by TLS so that no other host of the same domain can set it.

    Args:
        options: who may see the pages, and where.
        what: which cookie; "" for the session's.
    """
    name = f"genai-cost-{what}" if what else "genai-cost"
    return f"__Host-{name}" if options.is_secure else name


class Access(NamedTuple):
    """Who may see the pages.

    Attributes:
        options: as they are written.
        signer: signs sessions, links and forms.
        limits: how often somebody may ask.
        signing_in: with whom people sign in; None where they don't.
        monotonic_s: seconds of a clock that never goes back.
    """

    options: AccessOptions
    signer: Signer
    limits: Limits
    signing_in: SigningIn | None = None
    monotonic_s: Callable[[], float] = time.monotonic


def local_access(clock_us: Callable[[], int]) -> Access:
    """Of pages that whoever is on this machine sees: what is signed holds until the process ends.

    Args:
        clock_us: the time, unix microseconds.
    """
    keys = [Key(secrets.token_hex(4), secrets.token_bytes(32), clock_us())]
    return Access(LOCAL_ACCESS, Signer(lambda: keys, clock_us), Limits())
