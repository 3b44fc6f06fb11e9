"""The propagator `genai_cost`: what a token vouches for comes in, and what was bound here goes out with one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_genai_cost import detached, for_tenant, split, system, tenant
from otel_genai_cost.tenancy import binding, egress, trust
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.envelope import inject, job
from otel_genai_cost.tenancy.propagator import GenAICostPropagator
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_cost.tenancy.tokens import Key, Keys

_KEYS = Keys((Key("k1", "hmac-sha256", b"s" * 32),))
_OTHERS_KEYS = Keys((Key("k1", "hmac-sha256", b"x" * 32),))


@pytest.fixture(autouse=True)
def tokens(watched: None) -> Iterator[None]:
    before = propagate.get_global_textmap()
    ours = [TraceContextTextMapPropagator(), GenAICostPropagator()]
    propagate.set_global_textmap(CompositePropagator(ours))
    trust.configure(_KEYS, "prod")
    refusals.clear()
    yield
    propagate.set_global_textmap(before)
    trust.configure()
    trust._Settings.is_on = False
    binding.demand_tokens(demanded=False)
    refusals.clear()


def _now() -> Attribution:
    return attribution_of(capture(None))


def _came(headers: dict[str, str]) -> Attribution:
    """Whom work is for that somebody's headers brought, believed or not."""
    return attribution_of(capture(propagate.extract(headers)))


def _sent(block: AbstractContextManager[Any]) -> dict[str, str]:
    with block:
        return _injected()


def _injected() -> dict[str, str]:
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


def _names(headers: dict[str, str]) -> list[str]:
    return [member.partition("=")[0] for member in headers.get("baggage", "").split(",")]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (tenant("acme", feature="chat"), Attribution("acme", "token", None, "user")),
        (for_tenant("acme", reason="chat"), Attribution("acme", "token", None, "system")),
        (system("chat"), Attribution(None, "token", "system", "system")),
    ],
)
def test_what_was_bound_is_believed_by_the_next(
    block: AbstractContextManager[Any], expected: Attribution
) -> None:
    headers = _sent(block)
    assert _came(headers) == expected._replace(labels={"feature": "chat"})
    with job(headers):
        assert _now() == expected._replace(labels={"feature": "chat"})
    assert refusals == {}


def test_the_tenant_goes_first_and_its_token_is_in_no_context() -> None:
    headers = _sent(tenant("acme:eu/1@x|y~z", plan="pro plan, new"))
    assert _names(headers) == ["tenant.id", "tenant.token", "tenant.plan"]
    assert headers["baggage"].startswith("tenant.id=acme:eu/1@x|y~z,")
    assert baggage.get_all(propagate.extract(headers)) == {
        "tenant.id": "acme:eu/1@x|y~z",
        "tenant.plan": "pro plan new",
    }


def _token(headers: dict[str, str]) -> str:
    return headers["baggage"].partition("tenant.token=")[2].partition(",")[0]


def _forge(change: Callable[[str], str]) -> dict[str, str]:
    return {"baggage": change(_sent(tenant("acme", feature="chat"))["baggage"])}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: "tenant.id=victim", "unsigned_tenant"),
        (lambda text: "tenant.id=victim;signed=1", "malformed_baggage"),
        (lambda text: "genai_cost.initiator=system", "unsigned_tenant"),
        (lambda text: text.replace("acme", "victim"), "forged_token"),
        (lambda text: text.replace("acme", "acme;signed=1"), "malformed_baggage"),
        (lambda text: f"{text},tenant.id=victim", "malformed_baggage"),
        (lambda text: f"tenant.id=victim,{text}", "malformed_baggage"),
        (lambda text: f"{text},tenant%2Eid=victim", "malformed_baggage"),
        (lambda text: f"{text}, tenant.id = victim", "malformed_baggage"),
        (lambda text: text.replace("acme", "%61cme%20"), ""),
        (lambda text: text.replace("acme", "%2561cme"), "forged_token"),
        (lambda text: text.replace("~k1~", "~k9~"), "unknown_key"),
        (lambda text: text.replace("~prod~", "~test~"), "forged_token"),
        (lambda text: text.replace("chat", "search"), "forged_token"),
        (lambda text: text.partition(",genai_cost")[0], "forged_token"),
        (lambda text: text.replace(_token({"baggage": text})[20:], ""), "malformed_token"),
    ],
)
def test_a_forgery_is_nobodys(change: Callable[[str], str], reason: str) -> None:
    headers = _forge(change)
    found = _came(headers)
    assert found.tenant == (None if reason else "acme"), (
        "what only is spelled otherwise is the same"
    )
    assert refusals == ({reason: 1} if reason else {})
    if reason:
        assert not any(map(binding.is_protected, baggage.get_all(propagate.extract(headers))))
        with tenant("someone"), job(headers):
            assert _now() == Attribution(), "nor the one around"


def test_a_token_of_other_keys_audience_or_time_is_nobodys() -> None:
    trust.configure(_OTHERS_KEYS, "prod")
    forged = _sent(tenant("acme"))
    trust.configure(_KEYS, "test")
    elsewhere = _sent(tenant("acme"))
    trust.configure(_KEYS, "prod", expires_after_s=-5)
    late = _sent(tenant("acme"))
    trust.configure(_KEYS, "prod")
    assert [_came(each).tenant for each in (forged, elsewhere, late)] == [None] * 3
    assert refusals == {"forged_token": 1, "wrong_audience": 1, "expired_token": 1}


def test_a_label_without_a_signature_is_dropped_and_its_tenant_kept() -> None:
    binding.configure(labels=("team",))
    headers = _forge(lambda text: f"{text},genai_cost.agent=mallory,team=blue,other=kept")
    assert _came(headers) == Attribution("acme", "token", None, "user", {"feature": "chat"})
    assert baggage.get_all(propagate.extract(headers))["other"] == "kept"
    assert refusals["unsigned_label"] == 4, "two each time"


def test_labels_of_the_teams_own_are_signed_too() -> None:
    binding.configure(labels=("team",))
    with tenant("acme"):
        token = context.attach(baggage.set_baggage("team", "blue"))
        headers = _injected()
        context.detach(token)
    assert _came(headers).labels == {"team": "blue"}
    assert _came({"baggage": headers["baggage"].replace("blue", "red")}) == Attribution()


def test_a_token_is_minted_once_and_carried_on_as_it_is() -> None:
    trust.configure(_KEYS, "prod", expires_after_s=3_600)
    with tenant("acme"):
        first = _injected()
        assert _injected() == first
        with detached():
            assert _injected() == first
    trust.configure(Keys((Key("k2", "hmac-sha256", b"n" * 32), *_KEYS.known)), "prod")
    with job(first):
        assert _injected()["baggage"] == first["baggage"], (
            "another key mints here, and is not asked"
        )
        with detached():
            token = context.attach(baggage.set_baggage("genai_cost.feature", "mine"))
            assert _injected()["baggage"] == first["baggage"]
            context.detach(token)
        with tenant("acme", feature="mine"):
            assert "~k2~" in _injected()["baggage"], "what this process says itself"
        assert inject(first) == first


def test_who_cannot_sign_carries_and_does_not_mint() -> None:
    headers = _sent(tenant("acme"))
    trust.configure(Keys(), "prod")
    assert _names(_sent(tenant("acme"))) == ["tenant.id"]
    assert _came(headers) == Attribution()
    assert refusals == {"unknown_key": 1}


def test_only_what_was_bound_here_is_signed() -> None:
    token = context.attach(baggage.set_baggage("tenant.id", "acme", Context()))
    try:
        assert _names(_injected()) == ["tenant.id"]
        with split({"acme": 1, "globex": 1}):
            assert _injected() == {}
        with tenant("globex"):
            inner = context.attach(baggage.set_baggage("tenant.id", "acme"))
            assert _names(_injected()) == ["tenant.id"], "somebody has put another one there"
            context.detach(inner)
    finally:
        context.detach(token)


def test_context_that_outlived_its_request_leaves_without_a_token() -> None:
    with tenant("acme"):
        kept = context.get_current()
        assert "tenant.token" in _names(_injected())
    token = context.attach(kept)
    assert _injected() == {}
    context.detach(token)


def test_nothing_goes_to_a_model_host() -> None:
    with tenant("acme"):
        token = context.attach(egress.outgoing("api.openai.com"))
        assert _injected() == {}
        context.detach(token)


def _junk(count: int, size: int) -> dict[str, str]:
    return {f"junk{n}": "x" * size for n in range(count)}


@pytest.mark.parametrize(("count", "size"), [(60, 200), (200, 3), (1, 9_000)])
def test_the_tenant_survives_other_peoples_baggage(count: int, size: int) -> None:
    trust.configure(_KEYS, "prod", forwarded=["*"])
    current = Context()
    for name, value in _junk(count, size).items():
        current = baggage.set_baggage(name, value, current)
    token = context.attach(current)
    with tenant("acme"):
        headers = _injected()
    context.detach(token)
    assert len(headers["baggage"]) <= 8_192
    assert len(_names(headers)) <= 180
    assert _came(headers).tenant == "acme"
    assert refusals == {"baggage_full": count + 2 - len(_names(headers))}
    ahead = ",".join(f"{name}={value}" for name, value in _junk(count, size).items())
    behind = {"baggage": f"{ahead},{headers['baggage']}"}
    assert _came(behind).tenant == "acme", "others don't know that it matters"
    assert len(baggage.get_all(propagate.extract(behind))) <= 182


def test_a_header_without_end_is_not_read() -> None:
    text = _sent(tenant("acme"))["baggage"]
    assert _came({"baggage": text + ",a=" + "x" * 70_000}) == Attribution()
    assert refusals == {"baggage_too_long": 1}


def test_what_leaves_is_allow_listed() -> None:
    came = propagate.extract({"baggage": "team=blue,flag=on,session=s3cret"})
    assert dict(baggage.get_all(came)) == {"team": "blue", "flag": "on", "session": "s3cret"}
    token = context.attach(came)
    assert _injected() == {}
    trust.configure(_KEYS, "prod", forwarded=["flag"])
    with tenant("acme"):
        assert _names(_injected()) == ["tenant.id", "tenant.token", "flag"]
    context.detach(token)


def test_a_library_that_asks_for_w3c_by_name_is_covered() -> None:
    by_name = W3CBaggagePropagator()
    carrier: dict[str, str] = {}
    with tenant("acme"):
        by_name.inject(carrier)
    assert _names(carrier) == ["tenant.id", "tenant.token"]
    assert attribution_of(capture(by_name.extract(carrier))).source == "token"
    assert attribution_of(capture(by_name.extract({"baggage": "tenant.id=victim"}))).tenant is None


class _Jaegers(TextMapPropagator):
    """Baggage by a header of another kind, which `OTEL_PROPAGATORS` may have beside ours."""

    def extract(self, carrier: Any, context: Context | None = None, *_: Any, **__: Any) -> Context:
        return baggage.set_baggage("tenant.id", carrier["uberctx-tenant.id"], context)

    def inject(self, *_: Any, **__: Any) -> None:
        """Nothing."""

    @property
    def fields(self) -> set[str]:
        return {"uberctx-tenant.id"}


@pytest.mark.parametrize("edge", [None, "header:x-org-id"])
def test_another_propagators_baggage_is_not_believed_of_a_message_either(edge: str | None) -> None:
    binding.configure(edge=edge)
    both = [TraceContextTextMapPropagator(), GenAICostPropagator(), _Jaegers()]
    propagate.set_global_textmap(CompositePropagator(both))
    with job({"uberctx-tenant.id": "victim"}):
        assert _now() == Attribution()
        assert "tenant.id" not in _names(_injected())


def test_nothing_is_taken_from_the_context_around() -> None:
    with tenant("acme"):
        for order in ([0, 1], [1, 0]):
            both = [TraceContextTextMapPropagator(), GenAICostPropagator()]
            composite = CompositePropagator([both[n] for n in order])
            for headers in ({}, {"baggage": ""}, {"baggage": "team=blue"}):
                found = composite.extract(headers)
                assert attribution_of(capture(found)) == Attribution()


def test_a_forged_header_does_not_keep_the_tenant_of_a_context_that_is_given() -> None:
    with tenant("acme"):
        found = propagate.extract({"baggage": "tenant.id=victim"}, context.get_current())
    assert attribution_of(capture(found)) == Attribution()


def test_switched_off_it_is_w3cs() -> None:
    code = (
        "from opentelemetry import propagate\n"
        "headers, sent = {'baggage': 'tenant.id=acme,tenant.token=abc'}, {}\n"
        "propagate.inject(sent, propagate.extract(headers))\n"
        "assert sent == headers, 'who comes next can still verify it'\n"
    )
    switched_off = {"OTEL_PROPAGATORS": "tracecontext,genai_cost", "OTEL_SDK_DISABLED": "true"}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **switched_off}, check=True)
