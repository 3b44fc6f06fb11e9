"""Every page, as a person sees it: nothing fails, axe finds nothing serious, nothing is wider than a phone, and the
numbers are those of `genai-cost report`, to the digit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.cli.command import rows
from tests.demo.processes import ROOT, Children
from tests.pages.looking import Look, Looking, Served, looking, served
from tests.pages.many import HOSTILE, hostile, many

pytestmark = pytest.mark.service

_KINDS_MAX: Final = 1
"""So many pages of each kind are looked at: of one tenant, of one call."""


@pytest.fixture(scope="module")
def big(family: Children, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("many")
    return served(family, folder, many(folder / "home"))


@pytest.fixture(scope="module")
def biting(family: Children, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("hostile")
    return served(family, folder, hostile(folder / "home"))


@pytest.fixture(scope="module")
def demo(family: Children, tmp_path_factory: pytest.TempPathFactory) -> Served:
    """What `make demo` leaves behind."""
    folder = tmp_path_factory.mktemp("demonstrated")
    command = [sys.executable, "-m", "tests.demo.drive", str(folder / "demo")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return served(family, folder, folder / "demo")


def _kind(address: str) -> str:
    """What sort of page it is: the first part of its path, and which questions it asks."""
    parts = urlsplit(address)
    first = parts.path.split("/")[1]
    return f"{first}/{'…' if parts.path.count('/') > 1 else ''}"


def _pages(window: Looking) -> Iterator[str]:
    """From the first page on, by links, in the window: each page of the navigation, and some of each further kind."""
    waiting, seen, kinds = ["/"], {"/"}, dict[str, int]()
    while waiting:
        address = waiting.pop(0)
        window.open(address)
        yield address
        for one in (*window.links("nav"), *window.links("main")):
            kind = _kind(one)
            if one in seen or "format=csv" in one or kinds.get(kind, 0) >= _KINDS_MAX:
                continue
            kinds[kind] = kinds.get(kind, 0) + 1
            seen.add(one)
            waiting.append(one)


_LOOKS: Final[tuple[tuple[str, Look], ...]] = (
    ("desk", "light"),
    ("phone", "dark"),
    ("phone", "light"),
    ("desk", "dark"),
)
_SEEN: Final = (
    *(("big", *each) for each in _LOOKS),
    *(("biting", *each) for each in _LOOKS),
    *(("demo", *each) for each in _LOOKS[:2]),
)


@pytest.mark.parametrize(("which", "size", "look"), _SEEN)
def test_every_page_is_well(
    request: pytest.FixtureRequest, browser: Any, which: str, size: str, look: Look
) -> None:
    at: Served = request.getfixturevalue(which)
    problems: list[str] = []
    with looking(browser, at.at, size, look) as window:
        for address in (*_pages(window), _own(window)):
            found = [f"axe: {one}" for one in window.violations()]
            found += [f"too wide: {one}" for one in window.too_wide()]
            problems += [f"{address[:120]}: {one}" for one in found]
            assert window.page.locator("h1").count() == 1, address
    assert not problems, "\n".join(problems[:40])


_ASKED: Final[Mapping[str, tuple[str, ...]]] = {
    "period=all": (),
    "from=2026-11-01&to=2026-12-01": ("--from", "2026-11-01", "--to", "2026-12-01"),
    "from=2026-03-01&to=2026-04-01&tz=America/New_York": (
        *("--from", "2026-03-01", "--to", "2026-04-01", "--tz", "America/New_York"),
    ),
}
"""What an address asks for, and the same to the command."""


def _reported(home: Path, by: str, *options: str) -> list[dict[str, Any]]:
    return rows("report", "--by", by, "--json", *options, "--ledger", str(home))


def _figure(shown: str) -> str:
    """Without what stands around a number."""
    return shown.removeprefix("at least ").removesuffix(" USD").replace(",", "")


@pytest.mark.parametrize("asked", _ASKED)
def test_the_overview_says_what_the_report_says(browser: Any, big: Served, asked: str) -> None:
    with looking(browser, big.at) as window:
        window.open(f"/?{asked}")
        (whole,) = _reported(big.home, "service", *_ASKED[asked])
        shown = window.page.locator("data#total-USD")
        assert shown.get_attribute("value") == shown.inner_text() == whole["at_least"]
        known = {one["tenant"]: one for one in _reported(big.home, "tenant", *_ASKED[asked])}
        found = window.table("Tenants that cost most")
        assert len(found) >= 5
        for line in found:
            one = known[line["tenant"]]
            assert _figure(line["calls"]) == str(one["calls"])
            assert _figure(line["total"]) == one["at_least"]
            assert line["total"].startswith("at least") == (one["total"] is None)


@pytest.mark.parametrize("asked", _ASKED)
def test_models_say_what_the_report_says(browser: Any, big: Served, asked: str) -> None:
    with looking(browser, big.at) as window:
        window.open(f"/models?{asked}")
        found = window.table("Models")
    reported = _reported(big.home, "provider,model", *_ASKED[asked])
    wanted = {
        f"{one['provider']}/{one['model']}": (str(one["calls"]), one["at_least"] or "—")
        for one in reported
    }
    shown = {
        line["model"]: (_figure(line["calls"].split()[0]), _figure(line["total"])) for line in found
    }
    assert shown == wanted and len(shown) == 4


@pytest.mark.parametrize("asked", _ASKED)
def test_actions_cost_what_the_command_says(browser: Any, big: Served, asked: str) -> None:
    with looking(browser, big.at) as window:
        window.open(f"/actions?{asked}")
        mean = window.page.locator("h1 data").get_attribute("value")
        dearest, tenants = window.table("The dearest actions"), window.table("Actions by tenant")
    home = ("--json", *_ASKED[asked], "--ledger", str(big.home))
    (whole,) = rows("actions", "--by", "service", *home)
    assert mean == whole["mean"]
    reported = _reported(big.home, "tenant,action", *_ASKED[asked])
    known = {(one["tenant"] or "unattributed", one["action"]): one for one in reported}
    assert len(dearest) >= 10
    for line in dearest:
        one = known[line["tenant"], line["action"]]
        assert (_figure(line["calls"]), _figure(line["USD"])) == (
            str(one["calls"]),
            one["at_least"],
        )
    by_tenant = {one["tenant"]: one for one in rows("actions", "--by", "tenant", *home)}
    for line in tenants:
        one = by_tenant[None if line["tenant"] == "unattributed" else line["tenant"]]
        shown = tuple(map(_figure, (line["actions"], line["calls"], line["mean"])))
        assert shown == (str(one["actions"]), str(one["calls"]), one["mean"] or "—")


@pytest.mark.parametrize("which", ["big", "demo"])
def test_calls_cost_what_the_command_says(
    request: pytest.FixtureRequest, browser: Any, which: str
) -> None:
    at: Served = request.getfixturevalue(which)
    known = {one["charge_id"]: one for one in rows("charges", "--json", "--ledger", str(at.home))}
    with looking(browser, at.at) as window:
        window.open("/calls?period=all")
        lines = window.table("Calls")
        receipts = window.page.eval_on_selector_all(
            "td a[href*='/call?']",
            "all => all.map(one => new URL(one.href).searchParams.get('id'))",
        )
    assert len(lines) == len(receipts) == min(50, len(known))
    for line, receipt in zip(lines, receipts, strict=True):
        one = known[receipt]
        assert line["cost"] == (
            f"{one['amount']} {one['currency']}" if one["status"] == "priced" else "—"
        )


@pytest.mark.parametrize("which", ["big", "demo"])
def test_what_if_says_what_the_command_says(
    request: pytest.FixtureRequest, browser: Any, which: str
) -> None:
    at: Served = request.getfixturevalue(which)
    question = ("--cached", "0.5", "--json", "--ledger", str(at.home))
    with looking(browser, at.at) as window:
        window.open("/models?period=all")
        model = _dearest_model(window.table("Models"))
        asked = ("--instead", f"{model}=gpt-4o-mini", *question)
        known = {one["tenant"]: one for one in rows("prices", "impact", *asked)}
        window.open(f"/what-if?period=all&model={model}")
        window.page.fill("input[name=instead]", "openai/gpt-4o-mini")
        window.page.fill("input[name=cached]", "0.5")
        window.page.click("text=Work it out")
        window.page.wait_for_selector("data.after", timeout=60_000)
        found = window.table("By tenant and model")
        after = window.page.locator("data.after").get_attribute("value")
    assert after is not None and found
    assert Decimal(after) == sum(Decimal(one["after"]) for one in known.values())
    for line in found:
        one = known[None if line["tenant"] == "unattributed" else line["tenant"]]
        assert (line["before"], line["after"]) == (one["before"], one["after"])


def _dearest_model(models: list[dict[str, str]]) -> str:
    """That of OpenAI's models which cost most, by its own name."""
    return next(
        name
        for provider, _, name in (line["model"].partition("/") for line in models)
        if provider == "openai"
    )


@pytest.mark.parametrize("which", ["big", "demo"])
def test_a_tenants_own_page_says_what_it_pays(
    request: pytest.FixtureRequest, browser: Any, which: str
) -> None:
    at: Served = request.getfixturevalue(which)
    with looking(browser, at.at) as window:
        address = _own(window)
        tenant = dict(parse_qsl(urlsplit(address).query))["tenant"]
        shown = window.page.locator("data#total-0").get_attribute("value")
        lines = window.table("Usage by model")
    paid = ("--tenant", tenant, "--side", "price")
    (whole,) = _reported(at.home, "tenant", *paid)
    assert shown == whole["at_least"]
    known = {one["model"]: one for one in _reported(at.home, "model", *paid)}
    assert {line["model"]: _figure(line["price"]) for line in lines} == {
        name: one["at_least"] for name, one in known.items()
    }


def _own(window: Looking) -> str:
    """Open what the first of the tenants sees of itself; its address."""
    window.open("/tenants?period=all")
    first = next(one for one in window.links("main") if one.startswith("/tenant?"))
    address = first.replace("/tenant?", "/own?", 1)
    window.open(address)
    return address


@pytest.mark.parametrize("which", ["big", "demo"])
def test_health_says_what_the_commands_say(
    request: pytest.FixtureRequest, browser: Any, which: str
) -> None:
    at: Served = request.getfixturevalue(which)
    home = ("--json", "--ledger", str(at.home))
    with looking(browser, at.at) as window:
        window.open("/health?period=all")
        coverage = {line["what"]: line["figure"] for line in window.table("Coverage")}
        copies = window.table("Copies of the ledger")
    (known,) = rows("coverage", *home)
    for name in ("observations", "settled", "unpriced", "unattributed", "estimated", "damaged"):
        assert _figure(coverage[name]) == str(known[name]), name
    assert [(one["sink"], _figure(one["entry"]), _figure(one["behind"])) for one in copies] == [
        (one["sink"], str(one["seq"]), str(one["behind"])) for one in rows("sinks", "list", *home)
    ]


@pytest.mark.parametrize("asked", _ASKED)
def test_all_tenants_are_listed_with_what_the_report_says(
    browser: Any, big: Served, asked: str
) -> None:
    """Three hundred of them, a part after the other."""
    known = {one["tenant"]: one for one in _reported(big.home, "tenant", *_ASKED[asked])}
    found: list[dict[str, str]] = []
    with looking(browser, big.at) as window:
        window.open(f"/tenants?{asked}")
        assert window.page.inner_text("h1") == f"{len(known.keys() - {None})} tenants"
        while True:
            found += window.table("Tenants")
            further = window.page.locator("a[rel=next]")
            if not further.count():
                break
            further.click()
            window.wait()
    assert [_figure(line["total"]) for line in found] == [
        one["at_least"] for one in sorted(known.values(), key=_by_cost)
    ]
    for line in found:
        one = known.get(line["tenant"], known.get(None))
        assert one is not None
        assert line["calls"].split()[0] == f"{one['calls']:,}"
        assert _figure(line["total"]) == one["at_least"]


def _by_cost(one: Mapping[str, Any]) -> tuple[Decimal, str]:
    return -Decimal(one["at_least"]), one["tenant"] or ""


@pytest.mark.parametrize("asked", _ASKED)
def test_a_tenant_costs_what_the_report_says(browser: Any, big: Served, asked: str) -> None:
    name = "tenant-003"
    with looking(browser, big.at) as window:
        window.open(f"/tenant?tenant={name}&{asked}")
        shown = window.page.locator("data.cost")
        (whole,) = _reported(big.home, "tenant", "--tenant", name, *_ASKED[asked])
        assert shown.get_attribute("value") == whole["at_least"]
        (paid,) = _reported(big.home, "tenant", "--tenant", name, "--side", "price", *_ASKED[asked])
        assert window.page.locator("data.price").get_attribute("value") == paid["at_least"]
        assert f"exactly {whole['at_least']}" in window.page.inner_text("main")


_LISTS: Final = (
    ("/?period=all", "Tenants that cost most"),
    ("/models?period=all", "Models"),
    ("/actions?period=all", "The dearest actions"),
    ("/tenants?period=all", "Tenants"),
)


def test_without_scripts_the_pages_say_the_same(browser: Any, big: Served) -> None:
    said: dict[bool, list[dict[str, str]]] = {}
    for runs_scripts in (True, False):
        with looking(browser, big.at, runs_scripts=runs_scripts) as window:
            said[runs_scripts] = []
            for address, label in _LISTS:
                window.open(address)
                said[runs_scripts] += window.table(label)
            with window.page.expect_navigation():
                window.page.locator("a[rel=next]").click()
            said[runs_scripts] += window.table("Tenants")
    assert said[False] == said[True]
    assert len(said[False]) > 100


def test_first_page_and_all_it_needs_are_below_100_kb(browser: Any, big: Served) -> None:
    with looking(browser, big.at) as window:
        sizes: list[int] = []
        window.page.on(
            "requestfinished",
            lambda asked: sizes.append(asked.sizes()["responseBodySize"]),
        )
        window.open("/?period=all")
        window.page.wait_for_timeout(500)
    assert len(sizes) > 3
    assert sum(sizes) < 100_000


def test_no_name_is_anything_but_a_name(browser: Any, biting: Served) -> None:
    with looking(browser, biting.at, "phone") as window:
        window.open("/?period=all")
        text = window.page.inner_text("body")
        assert HOSTILE[0] in text and HOSTILE[5] in text
        assert window.page.locator("main script, main img, main svg[onload]").count() == 0
