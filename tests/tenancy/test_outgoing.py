"""What leaves with W3C's own propagators, and what of it arrives: the tenant first, whatever else is in baggage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry.context import Context

from otel_genai_cost import inject, job, tenant
from otel_genai_cost.tenancy import binding, trust
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_cost.tenancy.refusals import refusals


@pytest.fixture(autouse=True)
def _fresh(watched: None) -> Iterator[None]:
    refusals.clear()
    yield
    refusals.clear()
    trust.configure()


def _as_http_clients_do() -> dict[str, str]:
    headers: dict[str, str] = {}
    propagate.inject(headers)
    return headers


_WAYS = pytest.mark.parametrize("send", [_as_http_clients_do, lambda: inject({})])


def _with(entries: dict[str, str]) -> Context:
    """A context that somebody, as upstream's consumers do, has put baggage into, in this order."""
    found = Context()
    for name, value in entries.items():
        found = baggage.set_baggage(name, value, found)
    return found


def _names(headers: dict[str, str]) -> list[str]:
    return [member.partition("=")[0] for member in headers.get("baggage", "").split(",")]


def _now() -> str | None:
    return attribution_of(capture(None)).tenant


@_WAYS
@pytest.mark.parametrize(("count", "size"), [(60, 200), (200, 3), (3, 4_000)])
def test_the_tenant_survives_what_others_have_put_before_it(
    send: Callable[[], dict[str, str]], count: int, size: int
) -> None:
    junk = {f"junk{n}": "x" * size for n in range(count)}
    came = _with({**junk, "genai_cost.feature": "chat", "tenant.id": "acme"})
    token = context.attach(came)
    headers = send()
    context.detach(token)
    assert _names(headers)[:3] == ["tenant.id", "genai_cost.feature", "junk0"]
    assert len(headers["baggage"]) <= 8_192
    assert len(_names(headers)) <= 180
    assert baggage.get_baggage("tenant.id", propagate.extract(headers)) == "acme"
    with job(headers):
        assert _now() == "acme"


@_WAYS
def test_all_of_other_peoples_goes_unless_somebody_says_which(
    send: Callable[[], dict[str, str]],
) -> None:
    binding.configure(labels=("team",))
    token = context.attach(_with({"flag": "on", "session": "s3cret", "team": "blue"}))
    with tenant("acme"):
        assert _names(send()) == ["tenant.id", "team", "flag", "session"]
        trust.configure(forwarded=["flag"])
        assert _names(send()) == ["tenant.id", "team", "flag"]
        trust.configure(forwarded=["*"])
        assert _names(send()) == ["tenant.id", "team", "flag", "session"]
    trust.configure(forwarded=["flag"])
    assert _names(send()) == ["team", "flag"]
    context.detach(token)


@_WAYS
def test_what_may_go_as_it_is_is_not_touched(send: Callable[[], dict[str, str]]) -> None:
    token = context.attach(_with({"flag": "on", "session": "s3cret"}))
    assert send()["baggage"] == "flag=on,session=s3cret"
    context.detach(token)


@pytest.mark.parametrize("size", [3, 60])
def test_a_tenant_behind_what_others_put_before_it_is_read(size: int) -> None:
    ahead = ",".join(f"junk{n}={'x' * size}" for n in range(200))
    with job({"baggage": f"{ahead},tenant.id=acme,genai_cost.feature=chat"}):
        assert attribution_of(capture(None)).labels == {"feature": "chat"}
        assert _now() == "acme"
        assert baggage.get_baggage("junk0") == "x" * size
        assert len(_names(inject({}))) <= 180
    with job([("baggage", f"{ahead},{ahead}".encode())]):
        assert _now() is None
    assert refusals == {}


@pytest.mark.parametrize(
    ("header", "right", "refused"),
    [
        ("tenant.id=acme,tenant.id=victim", None, {"malformed_baggage": 1}),
        ("tenant.id=acme,flag=on,tenant%2Eid=victim", None, {"malformed_baggage": 1}),
        ("tenant.id=acme,tenant.id=acme", "acme", {}),
        ("tenant.id=acme;signed=1", "acme", {}),
        ("tenant.id=acme , flag=on", "acme", {}),
        ("tenant.id=acme%20inc", None, {"invalid": 2}),
        ("tenant.id=a" + ",junk=x" * 10_000, None, {"baggage_too_long": 1}),
        ("tenant.id", None, {}),
    ],
)
def test_what_names_two_tenants_names_none(
    header: str, right: str | None, refused: dict[str, int]
) -> None:
    with tenant("around"), job({"baggage": header}):
        assert _now() == right
        left: Any = inject({})
        assert ("victim" in str(left)) is False
    assert refusals == refused
