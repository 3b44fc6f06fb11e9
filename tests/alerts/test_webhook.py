"""Webhooks with real sockets: signatures that verify, wishes that are obeyed, addresses that are refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from otel_genai_cost.alerts.channel import ATTEMPT_S, Sent
from otel_genai_cost.alerts.render import Message, render
from otel_genai_cost.limits.notice import Audience, Notice
from otel_genai_exporters.notices.addresses import is_public
from otel_genai_exporters.notices.webhook import WebhookSender, body_of, signed
from tests.alerts.receiver import Receiver, receiving
from tests.certificates import made

_OLD: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_NEW: Final = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def _message() -> Message:
    facts = {"percent": 80, "thresholds": [80], "currency": "USD"}
    return render(Notice("crossed", "k", "acme", "team", 1_795_000_000_000_000, facts), "id1")


def _sent(
    settings: dict[str, Any],
    audience: Audience = "team",
    message: Message | None = None,
    **more: Any,
) -> Sent:
    async def send() -> Sent:
        sender = WebhookSender({"secrets": [_OLD], **settings}, audience, **more)
        try:
            return await sender.send(message or _message())
        finally:
            await sender.close()

    return asyncio.run(send())


def test_a_receiver_can_verify_it_with_the_old_secret_or_the_new() -> None:
    with receiving() as receiver:
        assert _sent({"url": receiver.url, "secrets": [_NEW, _OLD]}) == Sent("delivered")
        (came,) = receiver.came
    for secret in (_OLD, _NEW):
        document = Webhook(secret).verify(came.body, dict(came.headers))
        assert document["type"] == "genai_cost.crossed"
        assert document["data"]["facts"]["thresholds"] == [80]
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(came.body, dict(came.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(_OLD).verify(came.body + b" ", dict(came.headers))
    assert came.id == "id1"


@pytest.mark.parametrize("hours", [-11, 0, 5, 14])
def test_a_clock_in_any_zone_makes_a_good_signature(hours: int) -> None:
    at = datetime.now(timezone(timedelta(hours=hours)))
    Webhook(_OLD).verify("{}", signed([_OLD], "id", at, "{}"))
    if hours:  # what the library does by itself, so that nobody takes the care for needless
        naked = {
            **signed([_OLD], "id", at, "{}"),
            "webhook-signature": Webhook(_OLD).sign("id", at, "{}"),
        }
        with pytest.raises(WebhookVerificationError):
            Webhook(_OLD).verify("{}", naked)


def test_the_body_is_the_same_whenever_it_is_sent() -> None:
    with receiving() as receiver:
        _sent({"url": receiver.url})
        _sent({"url": receiver.url})
        first, second = receiver.came
    assert (
        (first.body, first.id) == (second.body, second.id) == (body_of(_message()).encode(), "id1")
    )


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(f"{_NEW}\n")
    with receiving() as receiver:
        assert _sent({"url": receiver.url, "secrets": [f"file:{path}"]}).outcome == "delivered"
        Webhook(_NEW).verify(receiver.came[0].body, dict(receiver.came[0].headers))
        path.unlink()
        assert "cannot be read" in _sent({"url": receiver.url, "secrets": [f"file:{path}"]}).error


@pytest.mark.parametrize(
    ("status", "headers", "sent"),
    [
        (200, {}, Sent("delivered")),
        (500, {}, Sent("failed", "status 500")),
        (429, {"Retry-After": "120"}, Sent("failed", "status 429", 120)),
        (503, {"Retry-After": "soon"}, Sent("failed", "status 503")),
        (503, {"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}, Sent("failed", "status 503", 0)),
        (410, {}, Sent("gone", "status 410")),
        (302, {"Location": "/elsewhere"}, Sent("failed", "status 302")),
        (307, {"Location": "/elsewhere"}, Sent("failed", "status 307")),
    ],
)
def test_what_a_status_means(status: int, headers: dict[str, str], sent: Sent) -> None:
    with receiving(lambda _: (status, headers)) as receiver:
        assert _sent({"url": receiver.url}) == sent
        assert [came.path for came in receiver.came] == ["/hook"], "redirects are not followed"


def test_a_receiver_has_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step of a request ends it sooner, but for a connection: there may be another address."""
    asked: list[Any] = []
    send = httpx.AsyncClient.send

    async def seen(client: httpx.AsyncClient, request: httpx.Request, **more: Any) -> Any:
        asked.append(request.extensions["timeout"])
        return await send(client, request, **more)

    monkeypatch.setattr(httpx.AsyncClient, "send", seen)
    with receiving() as receiver:
        assert _sent({"url": receiver.url}) == Sent("delivered")
    assert asked[0]["read"] == asked[0]["write"] == ATTEMPT_S == 15
    assert asked[0]["connect"] < ATTEMPT_S


def test_a_host_is_asked_for_connected_to_and_named_in_one_spelling() -> None:
    asked: list[str] = []

    async def here(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    with receiving() as receiver:
        sent = _sent({"url": f"http://b\u00fccher.example:{receiver.port}/"}, lookup=here)
        assert sent == Sent("delivered")
        assert receiver.came[0].headers["host"] == f"xn--bcher-kva.example:{receiver.port}"
    assert asked == ["xn--bcher-kva.example"]


def test_nobody_listens_and_nobody_is_known() -> None:
    with receiving() as receiver:
        url = receiver.url
    assert _sent({"url": url}).error.startswith("cannot connect")
    assert _sent({"url": "http://no-such-host.invalid/"}).error.startswith("no address of")


_REFUSED: Final = (
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
    "192.88.99.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "not an address",
)


@pytest.mark.parametrize("address", _REFUSED)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1"]
)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ],
)
def test_a_tenants_url_never_reaches_this_machine(host: str) -> None:
    with receiving() as receiver:
        sent = _sent({"url": f"https://{host}:{receiver.port}/"}, "tenant")
        assert sent.outcome == "failed"
        assert receiver.came == []
    assert "not public" in sent.error or "no address" in sent.error


def test_a_host_of_which_one_address_is_private_is_refused() -> None:
    async def both(host: str, port: int) -> list[str]:
        return ["93.184.215.14", "10.0.0.1"]

    assert "not public" in _sent({"url": "https://a.example/"}, "tenant", lookup=both).error


def test_the_connection_is_made_to_the_address_that_was_checked(
    tls_receiver: tuple[Receiver, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name's address changes between two look-ups (DNS rebinding): there is no second one."""
    receiver, context = tls_receiver
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) == 1 else ["127.0.0.1"]

    monkeypatch.setattr(
        "otel_genai_exporters.notices.addresses.is_public", lambda address: address == "127.0.0.1"
    )
    settings = {"url": f"https://localhost:{receiver.port}/hook"}
    refused = _sent(settings, "tenant", lookup=rebinding, verify=context)
    assert "not public" in refused.error
    assert _sent(settings, "tenant", lookup=rebinding, verify=context) == Sent("delivered")
    assert asked == ["localhost", "localhost"], "once each time, and nobody else asks"
    assert receiver.came[0].headers["host"] == f"localhost:{receiver.port}"


def test_a_certificate_must_be_of_the_host_whatever_the_address(
    tls_receiver: tuple[Receiver, ssl.SSLContext],
) -> None:
    receiver, context = tls_receiver

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    url = f"https://other.example:{receiver.port}/hook"
    sent = _sent({"url": url}, lookup=here, verify=context)
    assert sent.outcome == "failed"
    assert receiver.came == []


@pytest.fixture
def tls_receiver(tmp_path: Path) -> Iterator[tuple[Receiver, ssl.SSLContext]]:
    """A receiver for `localhost`, and what trusts it."""
    one = made()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(one.certificate + one.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    with receiving(tls=server) as receiver:
        yield receiver, ssl.create_default_context(cadata=one.certificate.decode())
