"""Fetching invoices: page by page, again after what passes, and the same rows as from a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.reports.revenue.fetch import fetch_invoices
from otel_genai_cost.testing.standin.local_server import LocalServer
from tests.cli.program import call, rows_of

Capture = pytest.CaptureFixture[str]

_KEY: Final = "sk_test_7"
_LINES: Final = 23
_INVOICES: Final = 5


def _line(invoice: int, n: int) -> dict[str, Any]:
    period = {"start": 1_790_812_800, "end": 1_793_491_200}
    return {"id": f"il_{invoice}_{n}", "amount": 100, "currency": "usd", "period": period}


def _invoice(n: int) -> dict[str, Any]:
    lines = [_line(n, at) for at in range(_LINES)]
    part = {"data": lines[:10], "has_more": True}
    return {"id": f"in_{n}", "customer": "cus_1", "status": "paid", "lines": part}


def _after(every: list[dict[str, Any]], asked: dict[str, list[str]], size: int) -> dict[str, Any]:
    ids = [one["id"] for one in every]
    begin = ids.index(asked["starting_after"][0]) + 1 if "starting_after" in asked else 0
    return {"data": every[begin : begin + size], "has_more": begin + size < len(every)}


class _Vendors(BaseHTTPRequestHandler):
    """The lists of three vendors, two or ten a page; each request fails once before it is answered."""

    seen: ClassVar[list[str]] = []
    fails: ClassVar[tuple[int, ...]] = (429,)
    tried: ClassVar[dict[str, int]] = {}

    def do_GET(self) -> None:
        self.seen.append(self.path)
        tries = self.tried.get(self.path, 0)
        self.tried[self.path] = tries + 1
        if self.headers["Authorization"] != f"Bearer {_KEY}":
            self._answer(401, {"error": "no"})
        elif tries < len(self.fails):
            self._answer(self.fails[tries], {})
        else:
            self._answer(200, self._list())

    def _list(self) -> dict[str, Any]:
        parts = urlsplit(self.path)
        asked = parse_qs(parts.query)
        if parts.path == "/v1/customers":
            return {"data": [{"id": "m-1"}], "next_page": None}
        if parts.path.startswith("/v1/customers/"):
            at = int(asked.get("next_page", ["0"])[0])
            return {"data": [_metronome(at)], "next_page": str(at + 1) if at < 2 else None}
        if parts.path.endswith("/lines"):
            n = int(parts.path.split("/")[3].partition("_")[2])
            return _after([_line(n, at) for at in range(_LINES)], asked, 10)
        if parts.path == "/orb/v1/invoices":
            at = int(asked.get("cursor", ["0"])[0])
            paging = {"next_cursor": str(at + 1) if at < 2 else None}
            return {"data": [{"id": f"o-{at}"}], "pagination_metadata": paging}
        return _after([_invoice(n) for n in range(_INVOICES)], asked, 2)

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base names it so
        """Nothing."""


def _metronome(at: int) -> dict[str, Any]:
    return {
        "id": f"i-{at}",
        "customer_id": "m-1",
        "status": "FINALIZED",
        "credit_type": {"name": "USD (cents)"},
        "start_timestamp": "2026-10-01T00:00:00+00:00",
        "end_timestamp": "2026-11-01T00:00:00+00:00",
        "line_items": [{"name": "Tokens", "type": "usage", "total": 1250}],
    }


@pytest.fixture
def server() -> Iterator[LocalServer]:
    _Vendors.seen, _Vendors.tried, _Vendors.fails = [], {}, (429,)
    with LocalServer(_Vendors) as found:
        yield found


def _home(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(f"{_KEY}\n", encoding="utf-8")
    (tmp_path / "tenants.toml").write_text(
        'zone = "UTC"\n[[tenant]]\ntenant = "acme"\nfrom = 2026-01-01\n'
        'billing_ids = { stripe = "cus_1", metronome = "m-1" }\n',
        encoding="utf-8",
    )
    return str(tmp_path)


def test_all_pages_and_all_lines_come_once(
    server: LocalServer, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_cost.transport.asking._WAIT_S", 0.001)
    home = _home(tmp_path)
    key = ("--key", f"file:{tmp_path / 'key'}", "--url", server.url, "--ledger", home)
    done = call(capsys, "revenue", "fetch", "stripe", "--json", *key)
    assert done.rows == [{"added": _INVOICES * _LINES, "known": 0, "problems": 0}], done.err
    again = call(capsys, "revenue", "fetch", "stripe", "--json", "--from", "2026-10-01", *key)
    assert again.rows == [{"added": 0, "known": _INVOICES * _LINES, "problems": 0}]
    assert any("created%5Bgte%5D=1790812800" in path for path in _Vendors.seen)
    done = call(capsys, "revenue", "fetch", "metronome", "--json", *key)
    assert done.rows == [{"added": 3, "known": 0, "problems": 0}]
    rows = rows_of(capsys, "revenue", "list", "--ledger", home)
    assert len({row["ref"] for row in rows}) == len(rows) == _INVOICES * _LINES + 3


def test_pages_of_orb(server: LocalServer) -> None:
    found = list(fetch_invoices("orb", _KEY, 0, f"{server.url}/orb/", lambda _: None))
    assert [one["id"] for one in found] == ["o-0", "o-1", "o-2"]
    assert "invoice_date%5Bgte%5D=1970-01-01T00%3A00%3A00Z" in _Vendors.seen[0]


@pytest.mark.parametrize(
    ("fails", "tries"), [((401,), 1), ((302,), 1), ((404,), 1), ((500, 502, 503, 429, 500), 5)]
)
def test_what_does_not_pass_is_said(
    server: LocalServer, fails: tuple[int, ...], tries: int
) -> None:
    """A key follows no redirect, and what a retry cannot mend is not tried again."""
    _Vendors.fails = fails
    waited: list[float] = []
    with pytest.raises(ConfigurationError, match=f"HTTP {fails[-1]}"):
        list(fetch_invoices("stripe", _KEY, None, server.url, waited.append))
    assert len(_Vendors.seen) == tries
    assert waited == [2.0**n for n in range(tries - 1)]


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("paypal", "--key", "env:X"), "no such vendor"),
        (("stripe",), "no key"),
        (("stripe", "--key", "env:NOT_THERE_AT_ALL"), "no key"),
        (("stripe", "--key", "file:/not/there"), "cannot be read"),
        (("orb", "--key", "file:KEY", "--url", "ftp://x"), "no address"),
        (("orb", "--key", "file:KEY", "--url", "http://127.0.0.1:9"), "127.0.0.1:9"),
    ],
)
def test_a_mistake_is_one_line(
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    wrong: str,
) -> None:
    monkeypatch.setattr("otel_genai_cost.transport.asking._WAIT_S", 0.001)
    home = _home(tmp_path)
    given = [one.replace("KEY", str(tmp_path / "key")) for one in arguments]
    done = call(capsys, "revenue", "fetch", *given, "--ledger", home)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert wrong in done.err
    assert _KEY not in done.err
