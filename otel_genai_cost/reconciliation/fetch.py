"""Bills from the providers' APIs: every page of a report for some days, as the importers read it, all or nothing.

Sources: the API references that the importers name. OpenAI and Anthropic answer pages of buckets with `has_more` and
`next_page`, and of at most 31 days; OpenRouter one page a day, of the last 30 finished days.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.transport.asking import answer_of, base_of

__all__ = ["APIS", "Api", "fetch_report"]

_REMEDY: Final = "check the key and the address, or export the bill as a file"
_PAGES_MAX: Final = 10_000
_A_DAY: Final = timedelta(days=1)

_Asked = Sequence[tuple[str, str]]


class _Report(NamedTuple):
    """Where a report is, and what is asked for of a time: its first day and the day after its last."""

    path: str
    asked: Callable[[date, date], _Asked]


class Api(NamedTuple):
    """A provider's API.

    Attributes:
        url: where it is.
        headers: what a request says with a key.
        reports: by name.
        default: the reports that are one bill together.
        days_max: of a request.
        reaches_back: days before today that it has; None if nobody says.
    """

    url: str
    headers: Callable[[str], Mapping[str, str]]
    reports: Mapping[str, _Report]
    default: tuple[str, ...]
    days_max: int
    reaches_back: int | None = None


class _Page(NamedTuple):
    content: bytes
    following: str | None


def fetch_report(
    api: Api,
    report: str,
    key: str,
    days: tuple[date, date],
    url: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> list[bytes]:
    """Every page of a report, as it came.

    Args:
        api: of a provider.
        report: of its reports.
        key: of the API.
        days: the first and the last.
        url: where the API is, if not at the provider's.
        sleep: waits before a request is tried again.

    Raises:
        ConfigurationError: if the API refuses, cannot be reached in five tries, or its pages come to no end.
    """
    base = base_of(url or api.url)
    place = api.reports[report]
    address = f"{base}{place.path}"

    def get(asked: _Asked) -> _Page:
        return answer_of(f"{address}?{urlencode(asked)}", api.headers(key), _page, _REMEDY, sleep)

    return [
        content
        for first, after in _stretches(days, api.days_max)
        for content in _pages(get, place.asked(first, after), address)
    ]


def _stretches(days: tuple[date, date], days_max: int) -> Iterator[tuple[date, date]]:
    first, end = days[0], days[1] + _A_DAY
    while first < end:
        after = min(first + days_max * _A_DAY, end)
        yield first, after
        first = after


def _pages(get: Callable[[_Asked], _Page], asked: _Asked, address: str) -> Iterator[bytes]:
    seen, more = set[str](), list[tuple[str, str]]()
    for _ in range(_PAGES_MAX):
        page = get([*asked, *more])
        yield page.content
        if page.following is None:
            return
        if page.following in seen:
            break
        seen.add(page.following)
        more = [("page", page.following)]
    raise ConfigurationError(
        "the API's pages come to no end", value=address, remedy="export the bill as a file"
    )


def _page(content: bytes) -> _Page:
    """Raises ValueError for what is no page, or cut off."""
    found: object = json.loads(content)
    page = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if not isinstance(page.get("data"), list):
        raise ValueError("an answer that is no page")
    following = page.get("next_page")
    if not page.get("has_more", following):
        return _Page(content, None)
    if not isinstance(following, str) or not following:
        raise ValueError("a page that goes on nowhere")
    return _Page(content, following)


def _by_seconds(limit: int, *groups: str) -> Callable[[date, date], _Asked]:
    """OpenAI's: unix seconds."""

    def asked(first: date, after: date) -> _Asked:
        begin, end = (
            int(datetime(one.year, one.month, one.day, tzinfo=timezone.utc).timestamp())
            for one in (first, after)
        )
        return [
            ("start_time", str(begin)),
            ("end_time", str(end)),
            ("bucket_width", "1d"),
            ("limit", str(limit)),
            *(("group_by[]", group) for group in groups),
        ]

    return asked


def _by_instants(width: str, limit: int, *groups: str) -> Callable[[date, date], _Asked]:
    """Anthropic's: RFC 3339."""

    def asked(first: date, after: date) -> _Asked:
        return [
            ("starting_at", f"{first.isoformat()}T00:00:00Z"),
            ("ending_at", f"{after.isoformat()}T00:00:00Z"),
            (width, "1d"),
            ("limit", str(limit)),
            *(("group_by[]", group) for group in groups),
        ]

    return asked


def _by_day(first: date, after: date) -> _Asked:
    """OpenRouter's: one day."""
    return [("date", first.isoformat())]


def _bearer(key: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {key}"}


def _x_api_key(key: str) -> Mapping[str, str]:
    return {"x-api-key": key, "anthropic-version": "2023-06-01"}


_USED: Final = ("model", "service_tier", "workspace_id")

APIS: Final[Mapping[str, Api]] = {
    "openai": Api(
        "https://api.openai.com",
        _bearer,
        {
            "costs": _Report("/v1/organization/costs", _by_seconds(31, "line_item", "project_id")),
            "usage": _Report(
                "/v1/organization/usage/completions",
                _by_seconds(31, "project_id", "model", "batch", "service_tier"),
            ),
        },
        ("costs", "usage"),
        31,
    ),
    "anthropic": Api(
        "https://api.anthropic.com",
        _x_api_key,
        {
            "analytics": _Report(
                "/v1/organizations/analytics/cost",
                _by_instants("time_bucket_width", 1000, *_USED, "speed", "cost_type", "token_type"),
            ),
            "cost_report": _Report(
                "/v1/organizations/cost_report",
                _by_instants("bucket_width", 31, "workspace_id", "description"),
            ),
            "usage": _Report(
                "/v1/organizations/usage_report/messages",
                _by_instants("bucket_width", 31, *_USED),
            ),
        },
        ("analytics", "usage"),
        31,
    ),
    "openrouter": Api(
        "https://openrouter.ai",
        _bearer,
        {"activity": _Report("/api/v1/activity", _by_day)},
        ("activity",),
        1,
        reaches_back=30,
    ),
}
"""The providers whose bills can be fetched."""
