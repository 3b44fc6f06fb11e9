"""Search: what it finds is there, may be seen, and each link leads to it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.ledger.tenants.row import TenantRow
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.views import search
from tests.cli.homes import OSC, home_of
from tests.ledger.build import START_US, observe, tenant
from tests.pages.views import ask, client_of, records, source_of
from tests.reports.fixture import HOSTILE

_DIRECTORY = directory_of(
    [
        TenantRow("acme", 0, None, {"name": f"Acme {HOSTILE}"}),
        TenantRow("old-acme", 0, None, {}, merged_into="acme"),
        TenantRow("globex", START_US, None, {"name": "Globex"}),
    ]
)
_NAMES = ("acme", "old-acme", "globex", "unattributed", HOSTILE, "x" * 10_000, OSC, None)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    rows = [
        observe(
            n,
            trace=n,
            end_s=100 + n,
            attribution=tenant(name),
            response_id=f"resp-{n}",
            model="gpt-4o-2024-08-06" if n != 3 else "house/<b>model",
        )
        for n, name in enumerate(_NAMES, 1)
    ]
    home = home_of(tmp_path_factory.mktemp("search"), rows)
    with source_of(home) as made:
        yield made._replace(directory=lambda: _DIRECTORY)


def _found(source: Source, text: str, viewer: Viewer | None = None) -> list[tuple[str, str]]:
    found = ask(source, search.view, urlencode({"q": text}), viewer or Viewer("finance"))
    return [(row["kind"], row["id"]) for row in records(found)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme", [("tenant", "acme"), ("tenant", "old-acme")]),
        ("ACME ", [("tenant", "acme"), ("tenant", "old-acme")]),
        ("Globex", [("tenant", "globex")]),
        ("unattr", [("tenant", "unattributed")]),
        ("4O-2024", [("model", "gpt-4o-2024-08-06")]),
        ("house", [("model", "house/<b>model")]),
        ("nothing has this", []),
        ("%", []),
        ("", []),
        ("0000000", []),
    ],
)
def test_what_has_the_text_is_found(
    source: Source, text: str, expected: list[tuple[str, str]]
) -> None:
    assert _found(source, text) == expected


def _of(source: Source) -> dict[str | None, str]:
    """The charge of each tenant."""
    with closing(Ledger(source.folder / LEDGER_FILE, readonly=True)) as ledger:
        return {one.positions[0].attribution.tenant: one.charge_id for one in charges(ledger)}


def test_calls_are_found_by_charge_trace_span_and_response(source: Source) -> None:
    charge_id, trace_id = _of(source)["globex"], f"{3:032x}"
    assert _found(source, charge_id[:8]) == [("call", charge_id)]
    assert _found(source, charge_id.upper()) == [("call", charge_id)]
    assert _found(source, f"{3:016x}")[-1] == ("call", charge_id)
    assert _found(source, "resp-3") == [("call", charge_id)]
    assert set(_found(source, trace_id)) == {("trace", trace_id), ("call", charge_id)}
    assert _found(source, "resp") == [], "a response is found by its whole id"


def test_actions_are_found_by_the_beginning_of_their_label(tmp_path: Path) -> None:
    """Also one that is the text, where ever so many begin with it."""
    labels = [f"ticket-{n}" for n in range(1, 50)] + ["tick", "Ticket-1", f"<b>{HOSTILE}"]
    rows = [
        observe(n, trace=n, attribution=tenant(("acme", "globex")[n % 2], action=label))
        for n, label in enumerate([*labels, "ticket-8"], 1)
    ]
    with source_of(home_of(tmp_path, rows)) as source:
        assert _found(source, "ticket-8") == [("action", "ticket-8")] * 2
        assert len(_found(source, "ticket")) == 20
        assert _found(source, "tick")[0] == ("action", "tick")
        assert _found(source, "ti") == _found(source, "icket") == []
        own = _found(source, "ticket-8", Viewer("success", ("acme",)))
        assert own == [("action", "ticket-8")]
        assert _found(source, "tick", Viewer("finance", ("nobody",))) == []
        with client_of(source) as client:
            for text in ("ticket-8", f"<b>{HOSTILE}"):
                table = client.get(f"/search?{urlencode({'q': text})}&format=csv").text
                for row in csv.DictReader(io.StringIO(table)):
                    assert client.get(row["address"]).status_code == 200


def test_at_most_twenty_of_a_kind(tmp_path: Path) -> None:
    rows = [observe(n, trace=n, attribution=tenant(f"many-{n}")) for n in range(1, 60)]
    with source_of(home_of(tmp_path, rows)) as source:
        assert len(_found(source, "many")) == 20
        assert _found(source, "many-7")[0] == ("tenant", "many-7")
        assert len([one for one in _found(source, "0" * 20) if one[0] == "call"]) == 20


def test_of_a_trace_of_many_calls_no_wrong_number_is_said(tmp_path: Path) -> None:
    rows = [observe(n, trace=1 if n > 3 else 2, response_id=f"r-{n}") for n in range(1, 40)]
    with source_of(home_of(tmp_path, rows)) as source:
        for trace, said in ((1, "20 or more calls of it"), (2, "3 calls of it")):
            found = ask(source, search.view, f"q={trace:032x}").values["hits"]
            assert [one.said for one in found if one.kind == "trace"] == [said]


@pytest.mark.parametrize("role", ["success", "finance"])
def test_who_sees_one_tenant_finds_nothing_of_others(source: Source, role: str) -> None:
    viewer = Viewer(role, ("globex",))  # type: ignore[arg-type]
    own = _of(source)
    assert _found(source, "e", viewer) == [("tenant", "globex"), ("model", "house/<b>model")]
    assert _found(source, own["globex"], viewer) == [("call", own["globex"])]
    for name in ("acme", "old-acme", None, HOSTILE):
        assert _found(source, own[name], viewer) == []
    assert _found(source, "resp-1", viewer) == []
    assert _found(source, f"{1:032x}", viewer) == []
    assert _found(source, "gpt-4o", viewer) == []


def test_every_link_leads_to_its_page_and_names_that_bite_are_text(source: Source) -> None:
    looked_for = ("e", "x", HOSTILE, "evil", "unattributed", "0" * 12)
    with client_of(source) as client:
        for text in looked_for:
            page = client.get("/search", params={"q": text})
            assert page.status_code == 200
            assert "<script>alert" not in page.text
            assert "<b>model" not in page.text
            assert "\x1b" not in page.text
            assert len(page.text) < 40_000
            table = client.get("/search", params={"q": text, "format": "csv"}).text
            rows = list(csv.DictReader(io.StringIO(table)))
            assert rows
            for row in rows:
                assert client.get(row["address"]).status_code == 200, row
        assert 'action="/search"' in client.get("/").text


@pytest.mark.parametrize(
    "text", ["\x00", "\ud800", "'", '"; --', "a" * 100_000, "\u202e", "../..", "%00"]
)
def test_whatever_is_looked_for_is_answered(source: Source, text: str) -> None:
    _found(source, text.encode("utf-8", "replace").decode())
