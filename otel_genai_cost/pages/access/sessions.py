"""Who is signed in, as a cookie says that we signed; and links that show a tenant its own page for a while."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.access.signed import LENGTH_MAX, Signer
from otel_genai_cost.pages.access.spent import Spent
from otel_genai_cost.pages.viewer import ROLES, Viewer

__all__ = ["Session", "Sessions", "link_text", "viewer_of_link"]


class Session(NamedTuple):
    """Who is signed in.

    Attributes:
        id: nobody can guess it.
        viewer: who it is.
        until_us: when it is over, unix microseconds.
    """

    id: str
    viewer: Viewer
    until_us: int


class Sessions:
    """Sessions, which live in their cookies; of those that were ended before their time the ids are kept in mind.

    Args:
        signer: signs them.
        lasts_s: how long one lasts.
    """

    def __init__(self, signer: Signer, lasts_s: int) -> None:
        self._signer, self._lasts_us = signer, lasts_s * 1_000_000
        self._ended = Spent()

    def begin(self, viewer: Viewer) -> tuple[str, Session]:
        """A new session, and the text that its cookie has.

        Args:
            viewer: who it is.

        Raises:
            ConfigurationError: if there are more tenants than a cookie holds.
        """
        until_us = self._signer.clock_us() + self._lasts_us
        session = Session(secrets.token_urlsafe(16), viewer, until_us)
        said = {"id": session.id, "who": [viewer.role, viewer.tenants, viewer.name]}
        text = self._signer.sign("session", said, until_us)
        if len(text) > LENGTH_MAX:
            raise ConfigurationError(
                "more tenants than a session can name",
                value=len(viewer.tenants or ()),
                where=f"what maps to the role {viewer.role}",
                remedy="leave `tenants` out, which is all of them, or name fewer",
            )
        return text, session

    def of(self, text: str) -> Session | None:
        """The session of a cookie; None if it is none that holds.

        Args:
            text: what the cookie has.
        """
        said = self._signer.read("session", text)
        if said is None or said["id"] in self._ended:
            return None
        return Session(said["id"], _viewer(said["who"]), said["until"])

    def end(self, session: Session) -> None:
        """Have a session hold no longer, whoever has a copy of its cookie."""
        self._ended.add(session.id, session.until_us, self._signer.clock_us())


def _viewer(said: list[Any]) -> Viewer:
    role, tenants, name = said
    if role not in ROLES:
        return Viewer("tenant", ())
    return Viewer(role, None if tenants is None else tuple(cast("list[str]", tenants)), name)


def link_text(signer: Signer, tenant: str, lasts_s: int) -> str:
    """What a link to a tenant's own page has.

    Args:
        signer: signs it.
        tenant: whose page it is.
        lasts_s: for how long.
    """
    said = {"id": secrets.token_hex(4), "tenant": tenant}
    return signer.sign("link", said, signer.clock_us() + lasts_s * 1_000_000)


def viewer_of_link(signer: Signer, text: str) -> tuple[Viewer, str] | None:
    """Who looks with a link, and what the link is called; None if it is none that holds.

    Args:
        signer: reads it.
        text: from anybody.
    """
    said: Mapping[str, Any] | None = signer.read("link", text)
    if said is None:
        return None
    return Viewer("tenant", (said["tenant"],)), f"link {said['id']}"
