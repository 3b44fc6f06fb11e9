"""E-mail to a real SMTP server and a message to a real HTTP receiver, by apprise; and what is refused."""

from __future__ import annotations

import asyncio
import email.policy
import json
import socket
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final

import pytest
from aiosmtpd.controller import Controller

from otel_genai_cost.alerts.channel import Sent
from otel_genai_cost.alerts.deliver import send
from otel_genai_cost.alerts.render import render
from otel_genai_cost.limits.notice import Audience, Notice
from otel_genai_exporters.notices.apprise import AppriseSender
from tests.alerts.receiver import receiving

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

_NAME: Final = "acme\r\nBcc: thief@example.com <!channel> [x](http://evil.example)"
_NOTICE: Final = Notice(
    "crossed",
    "k",
    _NAME,
    "team",
    1_795_000_000_000_000,
    {"percent": 80, "thresholds": [80], "budget": "b"},
)


class _Mailbox:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((list(envelope.rcpt_tos), mail))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[_Mailbox, int]]:
    box = _Mailbox()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def _sent(url: str, audience: Audience = "team", notice: Notice = _NOTICE) -> Sent:
    return asyncio.run(AppriseSender({"url": url}, audience).send(render(notice, "letter-1")))


def _mail_url(port: int) -> str:
    return f"mailto://127.0.0.1:{port}?from=costs@example.com&to=ops@example.com&mode=insecure"


def test_a_mail_arrives_with_nothing_of_a_name_in_its_head(mailbox: tuple[_Mailbox, int]) -> None:
    box, port = mailbox
    assert _sent(_mail_url(port)) == Sent("delivered")
    ((to, mail),) = box.mails
    assert to == ["ops@example.com"]
    assert mail["bcc"] is None
    assert mail["subject"].startswith("Budget b of acme")
    body = mail.get_body(("plain", "html"))
    assert body is not None
    text = body.get_content()
    assert "letter-1" in text
    assert "http://evil" not in text


def test_a_secret_url_may_stand_in_a_file(mailbox: tuple[_Mailbox, int], tmp_path: Path) -> None:
    box, port = mailbox
    path = tmp_path / "url"
    path.write_text(_mail_url(port) + "\n")
    assert _sent(f"file:{path}").outcome == "delivered"
    path.write_text("json://127.0.0.1/")
    assert "not allowed" in _sent(f"file:{path}").error
    assert len(box.mails) == 1


def test_a_message_goes_to_a_chat_server_once_and_to_no_other(
    mailbox: tuple[_Mailbox, int],
) -> None:
    with receiving(lambda _: (200, {})) as receiver:
        url = f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4"
        assert _sent(url) == Sent("delivered")
        (came,) = receiver.came
        text = json.loads(came.body)["text"]
    assert "Budget b of acme" in text
    assert not set(text) & set("<>[]@*`!")


def test_redirects_are_not_followed() -> None:
    with receiving() as other, receiving(lambda _: (302, {"Location": other.url})) as receiver:
        url = f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4"
        assert _sent(url).outcome == "failed"
        assert other.came == []


def test_a_server_that_fails_or_hangs_is_a_failure_and_holds_up_nobody() -> None:
    with receiving(lambda _: (500, {})) as receiver:
        url = f"mmost://127.0.0.1:{receiver.port}/3ccdd113474722377935511fc85d3dd4"
        assert _sent(url) == Sent("failed", "apprise could not send it")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = _mail_url(mute.getsockname()[1])
        begun_s = time.monotonic()

        async def twice() -> list[Sent]:
            sender = AppriseSender({"url": url}, "team")
            return [
                await send(sender, "one", _NOTICE, 0.3),
                await send(sender, "two", _NOTICE, 0.3),
            ]

        first, second = asyncio.run(twice())
    assert time.monotonic() - begun_s < 3, "the end of the process is not held up either"
    assert first.error == "no answer within 0.3 s"
    assert second.error == "the message before is still being sent"


@pytest.mark.parametrize(
    "url",
    [
        "json://127.0.0.1/",
        "jsons://169.254.169.254/latest",
        "xml://127.0.0.1/",
        "form://127.0.0.1/",
        "syslog://",
        "dbus://",
        "https://hooks.slack.com/services/T/B/C",
        "slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC, json://169.254.169.254",
        "slack://nothing",
        "",
        "mailto",
    ],
)
@pytest.mark.parametrize("audience", ["team", "tenant"])
def test_other_schemes_are_refused_without_showing_the_url(url: str, audience: Audience) -> None:
    (problem,) = AppriseSender.problems({"url": url}, audience)
    assert "169.254" not in problem
    if url:
        assert _sent(url, audience).outcome == "failed"


@pytest.mark.parametrize(
    ("url", "is_tenants"),
    [
        ("slack://TAAAAAAAA/BBBBBBBBB/CCCCCCCCCCCCCCCCCCCCCCCC", True),
        ("mmost://10.0.0.1/3ccdd113474722377935511fc85d3dd4", False),
        ("ntfys://10.0.0.1/topic", False),
        ("workflows://127.0.0.1/643e69f83c8944438d68119179a10a64/KbiuCU_Bx_qA6vRDXGGD", False),
        (
            "workflows://a.logic.azure.com/643e69f83c8944438d68119179a10a64/KbiuCU_Bx_qA6vRDXGGD",
            True,
        ),
        ("workflows://a.logic.azure.com@127.0.0.1/643e69f83c8944438d68119179a10a64/Kbiu", False),
    ],
)
def test_a_tenant_may_name_no_host_of_its_own(url: str, is_tenants: bool) -> None:
    assert AppriseSender.problems({"url": url}, "team") == []
    assert (AppriseSender.problems({"url": url}, "tenant") == []) == is_tenants
