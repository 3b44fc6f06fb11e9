"""Signing in with a provider: who is let in, for how long, and once."""

from __future__ import annotations

import itertools
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from otel_genai_cost.pages.access.keys import Key
from otel_genai_cost.pages.access.options import OidcOptions
from tests.pages.oidc_world import FINANCE, OPTIONS, World, run
from tests.pages.provider import CLIENT, ISSUER


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_claim_makes_a_viewer(algorithm: str) -> None:
    async def test() -> None:
        world = World(FINANCE)
        world.provider.algorithm = algorithm
        back = await world.sign_in()
        assert (back.status_code, back.headers["location"]) == (303, "/tenants?by=day")
        cookies = back.headers.get_list("set-cookie")
        session = next(one for one in cookies if one.startswith("__Host-genai-cost="))
        for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=43200"):
            assert flag in session
        assert "Domain" not in session
        assert await world.seen() == {
            "role": "finance",
            "tenants": None,
            "name": "ada@example.com",
        }
        assert world.provider.asked == ["known", "token", "keys"]

    run(test)


@pytest.mark.parametrize(
    ("claims", "role", "tenants"),
    [
        ({"realm_access": {"roles": ["cs-emea"]}}, "success", ["acme", "globex"]),
        ({"https://example.com/tenant": "acme"}, "tenant", ["acme"]),
        ({"https://example.com/tenant": ["a", "b", "a"]}, "tenant", ["a", "b"]),
        ({"email": "ops@example.com", "email_verified": True}, "engineer", None),
    ],
)
def test_rows(claims: dict[str, Any], role: str, tenants: list[str] | None) -> None:
    async def test() -> None:
        world = World(claims)
        assert (await world.sign_in()).status_code == 303
        found = await world.seen()
        assert (found["role"], found["tenants"]) == (role, tenants)

    run(test)


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"groups": "financement"},
        {"groups": {"finance": True}},
        {"groups": ["Finance"]},
        {"realm_access": ["cs-emea"]},
        {"https://example.com/tenant": []},
        {"https://example.com/tenant": ""},
        {"https://example.com/tenant": 17},
        {"https://example.com/tenant": ["acme", "x' OR 1=1 --"]},
        {"https://example.com/tenant": "unattributed"},
        {"email": "ops@example.com"},
        {"email": "ops@example.com", "email_verified": "true"},
    ],
)
def test_who_is_nobody_to_us_sees_nothing(claims: dict[str, Any]) -> None:
    async def test() -> None:
        world = World(claims)
        back = await world.sign_in()
        assert (back.status_code, back.headers.get_list("set-cookie")) == (403, [])
        assert (await world.browser.get("/")).status_code == 401

    run(test)


def test_clocks_may_be_a_minute_apart() -> None:
    async def test() -> None:
        for skew_s, status in ((-59, 303), (59, 303), (90, 403), (-400, 403)):
            world = World(FINANCE)
            its_s = int(world.now_s) + skew_s
            world.provider.clock_s = itertools.repeat(its_s).__next__
            assert (await world.sign_in()).status_code == status, skew_s

    run(test)


def test_keys_are_asked_for_again_where_they_changed() -> None:
    """But not more than twice a minute: a token of an unknown key costs its maker nothing."""

    async def test() -> None:
        world = World(FINANCE)
        assert (await world.sign_in()).status_code == 303
        world.now_s += 60
        world.provider.rotate()
        assert (await world.sign_in()).status_code == 303
        assert world.provider.asked.count("keys") == 2
        for _ in range(5):
            world.provider.rotate()
            assert (await world.sign_in()).status_code == 403
        assert world.provider.asked.count("keys") == 2

    run(test)


def test_an_answer_is_of_use_once_and_in_one_browser() -> None:
    async def test() -> None:
        world = World(FINANCE)
        question = await world.to_provider()
        kept = dict(world.browser.cookies)
        address = world.provider.authorize(question)
        assert (await world.browser.get(address)).status_code == 303
        asked = len(world.provider.asked)
        world.browser.cookies.update(kept)
        assert (await world.browser.get(address)).status_code == 403  # replayed, with its cookie
        world.browser.cookies.clear()
        assert (await world.browser.get(address)).status_code == 403
        assert len(world.provider.asked) == asked

        other = await world.to_provider()
        address = world.provider.authorize(question)  # a code of somebody else's question
        assert (await world.browser.get(address)).status_code == 403
        forged = world.provider.authorize({**other, "state": question["state"]})
        assert (await world.browser.get(forged)).status_code == 403
        mixed = world.provider.authorize(other).replace("login.example.com", "evil.example.com")
        assert (await world.browser.get(mixed)).status_code == 403

    run(test)


def test_a_stolen_code_is_of_no_use() -> None:
    """It is bound to the verifier of the browser that asked for it."""

    async def test() -> None:
        world = World(FINANCE)
        stolen = dict(
            parse_qsl(urlsplit(world.provider.authorize(await world.to_provider())).query)
        )
        world.browser.cookies.clear()
        mine = await world.to_provider()
        query = urlencode({"code": stolen["code"], "state": mine["state"]})
        assert (await world.browser.get(f"/sign-in/back?{query}")).status_code == 403

    run(test)


def test_it_takes_ten_minutes_at_most() -> None:
    async def test() -> None:
        world = World(FINANCE)
        address = world.provider.authorize(await world.to_provider())
        world.now_s += 601
        assert (await world.browser.get(address)).status_code == 403

    run(test)


@pytest.mark.parametrize(
    "to",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\tx",
        "javascript:x",
        "/sign-in?",
    ],
)
def test_no_one_is_sent_elsewhere(to: str) -> None:
    async def test() -> None:
        world = World(FINANCE)
        asked = await world.browser.get(f"/sign-in?{urlencode({'to': to})}")
        question = dict(parse_qsl(urlsplit(asked.headers["location"]).query))
        back = await world.browser.get(world.provider.authorize(question))
        assert back.headers["location"] == "/"

    run(test)


@pytest.mark.parametrize(
    "about",
    [
        {"issuer": "https://login.example.com/realms/other"},
        {"token_endpoint": "http://login.example.com/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "https://[/keys"},
        {"jwks_uri": None},
        {"padding": "x" * (1 << 20)},
    ],
)
def test_a_provider_that_is_another(about: dict[str, Any]) -> None:
    async def test() -> None:
        world = World(FINANCE)
        world.provider.about = about
        wanted = await world.browser.get("/sign-in")
        assert (wanted.status_code, "location" in wanted.headers) == (502, False)

    run(test)


def test_a_session_ends() -> None:
    """With its time, and when somebody signs out, whoever has a copy of its cookie."""

    async def test() -> None:
        world = World(FINANCE)
        await world.sign_in()
        world.now_s += 12 * 3_600 - 1
        assert (await world.browser.get("/")).status_code == 200
        world.now_s += 1
        assert (await world.browser.get("/")).status_code == 401

    run(test)


def test_keys_may_be_changed() -> None:
    async def test() -> None:
        world = World(FINANCE)
        await world.sign_in()
        world.keys.insert(0, Key("k2", b"n" * 32, 0))
        assert (await world.browser.get("/")).status_code == 200
        world.keys.pop()
        assert (await world.browser.get("/")).status_code == 401

    run(test)


def test_a_client_without_a_secret() -> None:
    async def test() -> None:
        world = World(FINANCE, OPTIONS._replace(oidc=OidcOptions(ISSUER, CLIENT[0])))
        world.provider.has_secret = False
        assert (await world.sign_in()).status_code == 303

    run(test)
