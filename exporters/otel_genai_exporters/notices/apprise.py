"""E-mail, Slack, Teams and more, by apprise: schemes on an allow-list, text only, one message at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from otel_genai_cost.alerts.channel import Sent, written_secret
from otel_genai_cost.alerts.render import Message
from otel_genai_cost.errors import ConfigurationError, MissingExtraError
from otel_genai_cost.limits.notice import Audience
from otel_genai_exporters.notices.threads import in_thread

try:
    import apprise
except ImportError:
    raise MissingExtraError("the channel apprise", "apprise", "alerts") from None

__all__ = ["AppriseSender"]

_FIXED_HOSTS: Final = frozenset(
    {
        "discord",
        "gchat",
        "mailto",
        "mailtos",
        "opsgenie",
        "pagerduty",
        "pover",
        "sendgrid",
        "slack",
        "tgram",
        "webex",
        "wxteams",
    }
)
"""Services whose hosts apprise knows; and mail, whose server is the team's whoever the mail is for."""

_TEAMS: Final = frozenset({"workflow", "workflows"})
_TEAMS_HOSTS: Final = (".logic.azure.com", ".api.powerplatform.com")

_OWN_HOSTS: Final = frozenset(
    {
        "gotify",
        "gotifys",
        "matrix",
        "matrixs",
        "mmost",
        "mmosts",
        "ntfy",
        "ntfys",
        "rocket",
        "rockets",
        "zulip",
    }
)
"""Services that the URL names the host of: the team's alone."""

_ALLOWED: Final[Mapping[Audience, frozenset[str]]] = {
    "team": _FIXED_HOSTS | _TEAMS | _OWN_HOSTS,
    "tenant": _FIXED_HOSTS | _TEAMS,
}
_KNOWN: Final = frozenset({"url", "watchdog_s"})
_BOUNDS: Final = "cto=5&rto=10&redirect=no&image=no"
"""Seconds to connect and to read; no redirects, and no picture from a host of apprise's."""

_ASSET: Final = apprise.AppriseAsset(
    app_id="genai-cost",
    app_desc="what each GenAI call cost",
    app_url="",
    image_url_logo=None,
    image_url_mask=None,
)


class AppriseSender:
    """Sends by one service.

    Settings: `url`, as apprise has it (`mailtos://…`, `slack://…`, `workflows://…`), or `file:PATH`, since it holds
    secrets.

    Args:
        settings: the channel's.
        audience: decides which schemes are allowed.
    """

    def __init__(self, settings: Mapping[str, Any], audience: Audience) -> None:
        self._url = str(settings["url"])
        self._audience: Audience = audience
        self._is_busy = False

    @staticmethod
    def problems(settings: Mapping[str, Any], audience: Audience) -> list[str]:
        """What is wrong with the settings of a channel, each with what to write instead."""
        found = [
            f"{name} is no setting of apprise; known: {', '.join(sorted(_KNOWN))}"
            for name in sorted(settings.keys() - _KNOWN)
        ]
        url: object = settings.get("url")
        if not isinstance(url, str) or not url:
            return [*found, "url is missing; write mailtos://…, slack://… or file:PATH"]
        problem = "" if url.startswith("file:") else _problem(url, audience)
        return [*found, *([problem] if problem else [])]

    async def send(self, message: Message) -> Sent:
        """Send a message, once; not while the one before still hangs."""
        if self._is_busy:
            return Sent("failed", "the message before is still being sent")
        try:
            url = written_secret(self._url)
        except ConfigurationError as error:
            return Sent("failed", str(error))
        if problem := _problem(url, self._audience):
            return Sent("failed", problem)
        self._is_busy = True
        return await in_thread(lambda: self._send(url, message))

    def _send(self, url: str, message: Message) -> Sent:
        try:
            service = _service(url)
            if service is None:
                return Sent("failed", "apprise does not know what to make of the url")
            sending: Any = apprise.Apprise(service, asset=_ASSET)
            is_sent = bool(
                sending.notify(
                    title=message.title,
                    body=f"{message.text}\n\n{message.id}".strip(),
                    body_format=apprise.NotifyFormat.TEXT,
                )
            )
        finally:
            self._is_busy = False
        return Sent("delivered") if is_sent else Sent("failed", "apprise could not send it")

    async def close(self) -> None:
        """Nothing is held."""


def _service(url: str) -> Any:
    made: Any = apprise.Apprise
    return made.instantiate(f"{url}{'&' if '?' in url else '?'}{_BOUNDS}", asset=_ASSET)


def _problem(url: str, audience: Audience) -> str:
    """What is wrong with a URL, and what to write; "" if nothing. Never the URL itself, which holds secrets."""
    scheme = url.partition("://")[0].lower()
    allowed = _ALLOWED[audience]
    if scheme not in allowed:
        known = ", ".join(sorted(allowed))
        return f"the scheme of url is not allowed for the {audience}; write one of {known}"
    if any(not one.isprintable() or one.isspace() for one in url):
        return "url holds a space or a control character; write each as %XX"
    if audience == "tenant" and scheme in _TEAMS and not _is_of_teams(url):
        return (
            "url of a tenant's workflow is not Microsoft's; write workflows://….logic.azure.com/…"
        )
    return "" if _service(url) is not None else "url is none that apprise can use; see its manual"


def _is_of_teams(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host.endswith(_TEAMS_HOSTS)
