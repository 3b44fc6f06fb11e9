"""Fetching bills: all pages of the days, again after what passes, and never half a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.reconciliation.fetch import APIS, fetch_report
from otel_genai_cost.reconciliation.reading import read_bill
from otel_genai_cost.testing.standin.local_server import LocalServer
from tests.cli.program import call

Capture = pytest.CaptureFixture[str]

_KEY: Final = "sk-admin-7"
_BUCKETS: Final = 7
"""That the stand-in gives on a page, however many are asked for."""

Asked = dict[str, list[str]]


def _days(asked: Asked) -> list[date]:
    if "start_time" in asked:
        times = (int(asked[name][0]) for name in ("start_time", "end_time"))
        first, end = (datetime.fromtimestamp(time, timezone.utc).date() for time in times)
    else:
        first, end = (
            date.fromisoformat(asked[name][0][:10]) for name in ("starting_at", "ending_at")
        )
    assert (end - first).days <= 31
    return [first + timedelta(days=n) for n in range((end - first).days)]


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())


def _openai(kind: str, asked: Asked, day: date) -> dict[str, Any]:
    result: dict[str, Any]
    if kind == "costs":
        assert asked["group_by[]"] == ["line_item", "project_id"]
        result = {
            "object": "organization.costs.result",
            "amount": {"value": 0.1, "currency": "usd"},
            "line_item": "gpt-4o-2024-08-06, input",
            "project_id": "proj_1",
        }
    else:
        result = {
            "object": "organization.usage.completions.result",
            "model": "gpt-4o-2024-08-06",
            "project_id": "proj_1",
            "input_tokens": 40_000,
        }
    begin = _seconds(day)
    return {
        "object": "bucket",
        "start_time": begin,
        "end_time": begin + 86_400,
        "results": [result],
    }


def _anthropic(kind: str, asked: Asked, day: date) -> dict[str, Any]:
    at = {"starting_at": f"{day}T00:00:00Z", "ending_at": f"{day + timedelta(days=1)}T00:00:00Z"}
    group = {"model": "claude-opus-5", "token_type": "output_tokens", "workspace_id": "wrkspc_1"}
    cost = {"amount": "10.5", "list_amount": "12", "currency": "USD"}
    if kind == "analytics/cost":
        assert asked["time_bucket_width"] == ["1d"]
        return {**at, "group": {**group, "cost_type": "tokens"}, "cost": cost}
    if kind == "cost_report":
        description = "Claude Opus 5 Usage - Output Tokens"
        return {
            **at,
            "results": [{**group, **cost, "cost_type": "tokens", "description": description}],
        }
    return {
        **at,
        "results": [{"model": "claude-opus-5", "output_tokens": 7, "workspace_id": "wrkspc_1"}],
    }


def _activity(asked: Asked) -> dict[str, Any]:
    item = {"date": asked["date"][0], "model": "openai/gpt-4o", "usage": 0.5, "requests": 3}
    return {"data": [{**item, "byok_usage_inference": 0.25}]}


class _Apis(BaseHTTPRequestHandler):
    """The APIs of three providers, a week a page; what fails is tried anew."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []
    fails: ClassVar[dict[int, int]] = {}
    """The status of the nth request; 0 for an answer that is cut off."""
    loops: ClassVar[bool] = False

    def do_GET(self) -> None:
        self.seen.append(self.path)
        status = self.fails.get(len(self.seen), 200)
        parts = urlsplit(self.path)
        is_x = parts.path.startswith("/v1/organizations/")
        key = self.headers["x-api-key"] if is_x else self.headers["Authorization"]
        if key != (_KEY if is_x else f"Bearer {_KEY}"):
            status = 401
        body = json.dumps(self._page(parts.path, parse_qs(parts.query))).encode()
        self.send_response(status or 200)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "7")
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        with suppress(ConnectionError):  # who is refused does not read on
            self.wfile.write(body if status else body[: len(body) // 2])
        self.close_connection = True

    def _page(self, path: str, asked: Asked) -> dict[str, Any]:
        if path == "/api/v1/activity":
            return _activity(asked)
        kind = path.partition(
            "/v1/organizations/" if "organizations" in path else "/v1/organization/"
        )[2]
        make = _anthropic if "organizations" in path else _openai
        days, at = _days(asked), int(asked.get("page", ["0"])[0])
        has_more = at + _BUCKETS < len(days) or self.loops
        return {
            **({"object": "page"} if make is _openai else {}),
            "data": [make(kind, asked, day) for day in days[at : at + _BUCKETS]],
            "has_more": has_more,
            "next_page": str(at if self.loops else at + _BUCKETS) if has_more else None,
        }

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base names it so
        """Nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalServer]:
    _Apis.seen, _Apis.fails, _Apis.loops = [], {}, False
    monkeypatch.setenv("BILLS_KEY", _KEY)
    with LocalServer(_Apis) as found:
        yield found


def _fetch(
    capsys: Capture, server: LocalServer, into: Path, *arguments: str
) -> list[dict[str, Any]]:
    place = ("--key", "env:BILLS_KEY", "--url", server.url, "--into", str(into), "--json")
    done = call(capsys, "bills", "fetch", *arguments, *place)
    assert done.code == 0, done.err
    return done.rows


@pytest.mark.parametrize(
    ("provider", "reports", "amount", "quantity"),
    [
        ("openai", (), "0.1", 40_000),
        ("anthropic", (), "0.105", 7),
        ("anthropic", ("cost_report",), "0.105", None),
    ],
)
def test_all_pages_of_all_days_are_a_bill(
    capsys: Capture,
    server: LocalServer,
    tmp_path: Path,
    provider: str,
    reports: tuple[str, ...],
    amount: str,
    quantity: int | None,
) -> None:
    """Forty days: two requests of at most 31, a page a week; each day is in the bill once."""
    chosen = [part for name in reports for part in ("--report", name)]
    days = ("--from", "2026-10-01", "--to", "2026-11-09")
    rows = _fetch(capsys, server, tmp_path, provider, *days, *chosen)
    assert [row["pages"] for row in rows] == [7] * (2 - len(reports))
    bill = read_bill(provider, [Path(row["file"]) for row in rows])
    assert bill.days == ("2026-10-01", "2026-11-09")
    assert len(bill.cells) == 40
    for cell, one in bill.cells.items():
        assert one.amount == int(float(amount) * 1000) * 10**15
        assert one.quantity == quantity
        assert cell.key in ("proj_1", "wrkspc_1")


def test_the_activity_is_asked_for_day_by_day_until_yesterday(
    capsys: Capture, server: LocalServer, tmp_path: Path
) -> None:
    today = datetime.now(timezone.utc).date()
    first = today - timedelta(days=3)
    (row,) = _fetch(capsys, server, tmp_path, "openrouter", "--from", str(first))
    days = sorted(cell.day for cell in read_bill("openrouter", [Path(row["file"])]).cells)
    assert days == [str(first + timedelta(days=n)) for n in range(3)]
    assert str(today) not in "".join(_Apis.seen)


def test_what_passes_is_asked_again_and_half_a_page_is_none(server: LocalServer) -> None:
    _Apis.fails = {1: 429, 3: 503, 4: 0, 5: 500}
    waited: list[float] = []
    days = (date(2026, 10, 1), date(2026, 10, 14))
    pages = fetch_report(APIS["openai"], "costs", _KEY, days, server.url, waited.append)
    found = [json.loads(page)["data"] for page in pages]
    assert [len(one) for one in found] == [7, 7]
    assert [one["start_time"] for page in found for one in page] == [
        _seconds(days[0] + timedelta(days=n)) for n in range(14)
    ]
    assert waited == [7, 1, 2, 4]


def test_fetched_again_it_replaces_the_file_and_a_failure_leaves_it(
    capsys: Capture, server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otel_genai_cost.transport.asking._WAIT_S", 0.001)
    arguments = ("openai", "--from", "2026-10-01", "--to", "2026-10-14")
    before = [
        Path(row["file"]).read_bytes() for row in _fetch(capsys, server, tmp_path, *arguments)
    ]
    asked = len(_Apis.seen)
    _Apis.fails = {asked + n: 0 for n in range(4, 20)}  # the last page, each time
    place = ("--key", "env:BILLS_KEY", "--url", server.url, "--into", str(tmp_path))
    done = call(capsys, "bills", "fetch", *arguments, *place)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert "/v1/organization/usage/completions" in done.err
    assert _KEY not in done.err
    assert sorted(path.read_bytes() for path in tmp_path.iterdir()) == sorted(before)
    _Apis.fails = {}
    rows = _fetch(capsys, server, tmp_path, *arguments)
    assert [Path(row["file"]).read_bytes() for row in rows] == before


@pytest.mark.parametrize(
    ("status", "tries"), [(401, 1), (302, 1), (403, 1), (404, 1), (400, 1), (500, 5), (0, 5)]
)
def test_what_does_not_pass_is_said(server: LocalServer, status: int, tries: int) -> None:
    """A key follows no redirect, and what a retry cannot mend is not tried again."""
    _Apis.fails = dict.fromkeys(range(1, 20), status)
    days = (date(2026, 10, 1), date(2026, 10, 2))
    with pytest.raises(ConfigurationError, match="no answer") as refused:
        fetch_report(APIS["anthropic"], "usage", _KEY, days, server.url, lambda _: None)
    assert len(_Apis.seen) == tries
    assert _KEY not in str(refused.value)


def test_pages_without_an_end_are_refused(server: LocalServer) -> None:
    _Apis.loops = True
    days = (date(2026, 10, 1), date(2026, 10, 14))
    with pytest.raises(ConfigurationError, match="come to no end"):
        fetch_report(APIS["openai"], "costs", _KEY, days, server.url)
    assert len(_Apis.seen) == 2


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("aws", "--from", "2026-10-01"), "no such provider"),
        (("openai", "--from", "yesterday"), "no day"),
        (("openai", "--from", "2026-10-02", "--to", "2026-10-01"), "ends before it begins"),
        (("openai", "--from", "2026-10-02", "--to", "2999-10-01"), "not over"),
        (("openrouter", "--from", "2026-01-01"), "no such day any more"),
        (("openai", "--from", "2026-10-01", "--report", "activity"), "no such report"),
        (
            (
                "anthropic",
                "--from",
                "2026-10-01",
                "--report",
                "analytics",
                "--report",
                "cost_report",
            ),
            "the same costs",
        ),
        (("openai", "--from", "2026-10-01", "--url", "ftp://x"), "no address"),
        (
            ("openai", "--from", "2026-10-01", "--into", "/dev/null/x", "--to", "2026-10-01"),
            "--into",
        ),
    ],
)
def test_a_mistake_is_one_line(
    capsys: Capture, server: LocalServer, arguments: tuple[str, ...], wrong: str
) -> None:
    url = () if "--url" in arguments else ("--url", server.url)
    done = call(capsys, "bills", "fetch", *arguments, "--key", "env:BILLS_KEY", *url)
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert wrong in done.err
    assert _KEY not in done.err


def test_without_a_key_nothing_is_asked(capsys: Capture, server: LocalServer) -> None:
    done = call(capsys, "bills", "fetch", "openai", "--from", "2026-10-01", "--url", server.url)
    assert (done.code, _Apis.seen) == (2, [])
    assert "no key" in done.err
