"""The file that says who may see the pages: `access.toml`, read whole, with every problem it has."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from otel_genai_cost.errors import AccessError, ConfigurationError, Problem
from otel_genai_cost.pages.access.hosts import LOOPBACK, private_url
from otel_genai_cost.pages.access.who import TENANT, Row
from otel_genai_cost.pages.viewer import ROLES, Role
from otel_genai_cost.pricing.toml_text import (
    is_list_of_tables,
    lines_of_tables,
    tables_of,
    text_of,
)
from otel_genai_cost.reports.selection import NOBODY
from otel_genai_cost.settings import key_at

__all__ = ["LOCAL_ACCESS", "AccessOptions", "OidcOptions", "ProxyOptions", "access_options"]

_SIZE_MAX: Final = 1 << 20
_SECRET_MIN: Final = 16
_HEADER: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SESSION: Final = re.compile(r"([1-9]\d{0,3})([mhd])", re.ASCII)
_UNIT_S: Final[Mapping[str, int]] = {"m": 60, "h": 3_600, "d": 86_400}
_TABLES: Final = ("public_url", "session", "embed", "oidc", "proxy", "who")
_SESSION_MAX_S: Final = 7 * 86_400
_TEXT: Final = "write some text"


class OidcOptions(NamedTuple):
    """A provider of OpenID Connect.

    Attributes:
        issuer: its URL, as its tokens have it.
        client_id: what it calls us.
        client_secret: that it gave us; None where a client has none.
        scopes: what it is asked for.
        name: the claim that has people's names.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name: str = "email"


class ProxyOptions(NamedTuple):
    """A reverse proxy that knows who asks.

    Attributes:
        secret: that it sends with each request.
        secret_header: where.
        claims: what it says in which header, by the claim's name; values with commas are several.
        name: the claim that has people's names.
    """

    secret: str
    secret_header: str
    claims: Mapping[str, str]
    name: str = "user"


class AccessOptions(NamedTuple):
    """Who may see the pages.

    Attributes:
        public_url: where browsers find them, without a slash at its end; None on this machine alone.
        session_s: how long one is signed in.
        embed: the origins whose pages may frame a tenant's own page.
        oidc: a provider of identity, if there is one.
        proxy: a proxy that says who asks, if there is one.
        who: what makes somebody what.
    """

    public_url: str | None = None
    session_s: int = 12 * 3_600
    embed: tuple[str, ...] = ()
    oidc: OidcOptions | None = None
    proxy: ProxyOptions | None = None
    who: tuple[Row, ...] = ()

    @property
    def knows_people(self) -> bool:
        """Whether anybody has to say who they are."""
        return self.oidc is not None or self.proxy is not None

    @property
    def hosts(self) -> frozenset[str]:
        """The names that requests may be for."""
        named = urlsplit(self.public_url or "").hostname
        return LOOPBACK if named is None else LOOPBACK | {named.lower()}

    @property
    def is_secure(self) -> bool:
        """Whether cookies go by TLS only."""
        return self.public_url is not None and self.public_url.startswith("https:")


LOCAL_ACCESS: Final = AccessOptions()
"""Whoever is on the machine sees everything."""


def access_options(path: Path) -> AccessOptions:
    """What a file says.

    Args:
        path: of the file.

    Raises:
        ConfigurationError: if it, or a secret that it names, cannot be read.
        AccessError: with every problem, if it is broken.
    """
    text = _text(path)
    found = tables_of(text, str(path))
    if isinstance(found, Problem):
        raise AccessError((found,))
    reading = _Reading(str(path), lines_of_tables(text).get("who", ()))
    made = reading.options(found)
    if reading.problems:
        raise AccessError(tuple(reading.problems))
    return made


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_SIZE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(
            "who may see the pages cannot be read",
            value=str(path),
            where=str(error.strerror),
            remedy="name a file that exists with --access",
        ) from None
    found = text_of(content, str(path))
    if len(content) > _SIZE_MAX:
        found = Problem(str(path), 0, f"larger than {_SIZE_MAX:,} bytes", "keep what is needed")
    if isinstance(found, Problem):
        raise AccessError((found,))
    return found


class _Reading:
    """Reads the tables of a file; what is wrong is added to `problems`."""

    def __init__(self, file: str, lines: Sequence[int]) -> None:
        self._file, self._lines = file, lines
        self.problems: list[Problem] = []

    def options(self, found: dict[str, Any]) -> AccessOptions:
        """Of the whole file."""
        self._known(found, "", _TABLES)
        url = found.get("public_url")
        if url is not None and not _is_url(url, path=False):
            self._say("public_url", url, "write https://HOST, or http:// on this machine alone")
            url = None
        made = AccessOptions(
            public_url=None if url is None else str(url).rstrip("/"),
            session_s=self._session_s(found.get("session", "12h")),
            embed=self._embed(found.get("embed", [])),
            oidc=self._oidc(found["oidc"]) if "oidc" in found else None,
            proxy=self._proxy(found["proxy"]) if "proxy" in found else None,
            who=self._who(found.get("who", [])),
        )
        self._check_whole(found, made)
        return made

    def _check_whole(self, found: Mapping[str, Any], made: AccessOptions) -> None:
        if not ("oidc" in found or "proxy" in found):
            self._say("provider", None, "write [oidc] or [proxy]: who somebody is has to be known")
        if "oidc" in found and "proxy" in found:
            self._say("provider", "two", "write [oidc] or [proxy], not both")
        if not made.who:
            self._say("who", None, "write [[who]] rows: without one nobody may see anything")
        if "oidc" in found and made.public_url is None:
            self._say("public_url", None, "write it: the provider sends browsers back there")

    def _session_s(self, given: object) -> int:
        match = _SESSION.fullmatch(given) if isinstance(given, str) else None
        length_s = int(match[1]) * _UNIT_S[match[2]] if match else 0
        if not 60 <= length_s <= _SESSION_MAX_S:
            self._say("session", given, "write 30m, 12h or 7d, which is the longest")
        return length_s

    def _embed(self, given: object) -> tuple[str, ...]:
        found = self._texts("embed", given)
        for one in found:
            if not _is_url(one, path=False) or one.endswith("/"):
                self._say("embed", one, "write origins: https://HOST")
        return found

    def _oidc(self, given: object) -> OidcOptions | None:
        found = self._table("oidc", given, OidcOptions._fields, ("issuer", "client_id"))
        if found is None:
            return None
        if not _is_url(found["issuer"], path=True):
            self._say("oidc.issuer", found["issuer"], "write the provider's https:// URL")
        secret = found.get("client_secret")
        scopes = self._texts("oidc.scopes", found.get("scopes", OidcOptions("", "").scopes))
        if "openid" not in scopes:
            self._say("oidc.scopes", list(scopes), 'have "openid" among them')
        return OidcOptions(
            issuer=str(found["issuer"]),
            client_id=self._text("oidc.client_id", found["client_id"]),
            client_secret=None if secret is None else self._secret("oidc.client_secret", secret),
            scopes=scopes,
            name=self._text("oidc.name", found.get("name", "email")),
        )

    def _proxy(self, given: object) -> ProxyOptions | None:
        found = self._table("proxy", given, ProxyOptions._fields, ("secret", "claims"))
        if found is None:
            return None
        secret = self._secret("proxy.secret", found["secret"])
        if len(secret) < _SECRET_MIN:
            self._say("proxy.secret", None, f"have at least {_SECRET_MIN} characters of chance")
        claims: object = found["claims"]
        if not isinstance(claims, dict) or not claims:
            self._say("proxy.claims", "none", 'write { user = "x-forwarded-user", … }')
            claims = {}
        headers = {
            name: self._header(f"proxy.claims.{name}", header)
            for name, header in cast("dict[str, object]", claims).items()
        }
        header = self._header("proxy.secret_header", found.get("secret_header", "x-proxy-secret"))
        if header in headers.values():
            self._say("proxy.secret_header", header, "let no claim come in the same header")
        return ProxyOptions(
            secret, header, headers, self._text("proxy.name", found.get("name", "user"))
        )

    def _who(self, given: object) -> tuple[Row, ...]:
        if not is_list_of_tables(given):
            self._say("who", given, "write [[who]] tables")
            return ()
        rows = cast("list[dict[str, Any]]", given)
        return tuple(row for n, one in enumerate(rows) for row in self._row(n, one))

    def _row(self, n: int, found: dict[str, Any]) -> Iterator[Row]:
        line = self._lines[n] if n < len(self._lines) else 0
        before = len(self.problems)
        self._known(found, "who.", Row._fields, line)
        tenants, role = found.get("tenants"), self._role(found.get("role"), line)
        claim = self._text("claim", found.get("claim"), line)
        has = found.get("has")
        has = None if has is None else self._text("has", has, line)
        by_claim = found.get("tenants_claim")
        by_claim = None if by_claim is None else self._text("tenants_claim", by_claim, line)
        if tenants is not None:
            tenants = self._ids(tenants, line)
        if tenants is not None and by_claim is not None:
            self._say("tenants", list(tenants), "write this or tenants_claim, not both", line)
        if role == "tenant" and not tenants and by_claim is None:
            self._say(
                "tenants", None, "say which, or by tenants_claim: a tenant sees its own", line
            )
        if len(self.problems) == before:
            yield Row(claim, has, role, tenants, by_claim)

    def _role(self, given: object, line: int) -> Role:
        for one in ROLES:
            if one == given:
                return one
        self._say("role", given, f"write {', '.join(ROLES)}", line)
        return "finance"

    def _ids(self, given: object, line: int) -> tuple[str, ...]:
        found = self._texts("tenants", given, line)
        for one in found:
            if not TENANT.fullmatch(one) or one == NOBODY:
                self._say("tenants", one, "write the ids of tenants", line)
        return found

    def _table(
        self, name: str, given: object, known: Collection[str], needed: Sequence[str]
    ) -> dict[str, Any] | None:
        if not isinstance(given, dict):
            self._say(name, given, f"write a table, [{name}]")
            return None
        found = cast("dict[str, Any]", given)
        self._known(found, f"{name}.", known)
        missing = [one for one in needed if one not in found]
        for one in missing:
            self._say(f"{name}.{one}", None, "write it")
        return None if missing else found

    def _known(
        self, found: Mapping[str, object], prefix: str, known: Collection[str], line: int = 0
    ) -> None:
        for name in found:
            if name not in known:
                self._say(f"{prefix}{name}", None, f"write {', '.join(known)}, only", line)

    def _text(self, name: str, given: object, line: int = 0) -> str:
        if isinstance(given, str) and given and given.isprintable():
            return given
        self._say(name, given, _TEXT, line)
        return ""

    def _texts(self, name: str, given: object, line: int = 0) -> tuple[str, ...]:
        if not isinstance(given, (list, tuple)):
            self._say(name, given, "write a list of texts", line)
            return ()
        return tuple(self._text(name, one, line) for one in cast("Sequence[object]", given))

    def _header(self, name: str, given: object) -> str:
        found = given.lower() if isinstance(given, str) else ""
        if not _HEADER.fullmatch(found):
            self._say(name, given, "write the name of a header")
        return found

    def _secret(self, name: str, given: object) -> str:
        if isinstance(given, str):
            return key_at(given, f"{self._file}, {name}")
        self._say(name, None, "write env:NAME or file:PATH")
        return ""

    def _say(self, name: str, value: object, remedy: str, line: int = 0) -> None:
        what = f"no {name}" if value is None else f"{name} cannot be {value!r}"
        self.problems.append(Problem(self._file, line, what, remedy))


def _is_url(given: object, *, path: bool) -> bool:
    """Whether it is one of https, or of http on this machine, and nothing else could be read into it."""
    if not isinstance(given, str) or any(sign in given for sign in " ;,'\"\\\n\r\t*"):
        return False
    parts = private_url(given)
    if parts is None:
        return False
    is_bare = not (parts.query or parts.fragment or parts.username or parts.password)
    return is_bare and bool(parts.hostname) and (path or parts.path in ("", "/"))
