"""The pytest plugin: every call of a model that a test makes has that test's tenant.

Does nothing and imports nothing until a team turns it on, for all tests by `genai_cost_tenants = true` in pytest's own
configuration, or for one by asking for the fixture `tenant` or `tenant_round_trip`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from otel_genai_cost.testing.round_trip import RoundTrip
    from otel_genai_cost.testing.session import Session

__all__: list[str] = []

_INI: Final = "genai_cost_tenants"
_SOURCE: Final = "genai_cost_tenant"
_MARKER: Final = "tenant_exempt"
_SESSION: Final = pytest.StashKey["Session"]()
_ASKED: Final = pytest.StashKey[bool]()
"""Of a test that asks for a fixture of ours; a team may have one of the same name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switch."""
    parser.addini(
        _INI,
        "run every test in the name of a tenant of its own; calls of models without it fail the test",
        type="bool",
        default=False,
    )
    parser.addini(
        _SOURCE,
        "where requests name their tenant, as OTEL_GENAI_COST_TENANT says it where that is not set",
        default="",
    )


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(reason): calls of models in this test may have no tenant"
    )


def _session(config: pytest.Config) -> Session:
    """What watches this test session; made when it is first needed."""
    found = config.stash.get(_SESSION, None)
    if found is None:
        from otel_genai_cost.errors import ConfigurationError
        from otel_genai_cost.testing.session import Session

        try:
            found = config.stash[_SESSION] = Session(config.getini(_SOURCE))
        except ConfigurationError as error:
            raise pytest.UsageError(f"{_INI}: {error}") from None
    return found


def _is_on(config: pytest.Config) -> bool:
    return bool(config.getini(_INI))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Clients are watched before the application is imported."""
    if _is_on(session.config):
        _session(session.config)


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """The tenant in whose name this test runs, such as for a header of its requests."""
    request.node.stash[_ASKED] = True
    return _session(request.config).canary(request.node.nodeid)


@pytest.fixture
def tenant_round_trip(request: pytest.FixtureRequest) -> RoundTrip:
    """Tries a queue of the team's own with two tenants and none: `tenant_round_trip(send, work)`, or
    `await tenant_round_trip.later(send, work)`."""
    request.node.stash[_ASKED] = True
    return _session(request.config).round_trip()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """The test's own function runs in its own name, whatever loop, thread or library runs it."""
    is_on = _is_on(item.config) or item.stash.get(_ASKED, False)
    if not (is_on and isinstance(item, pytest.Function)):
        return (yield)
    session = _session(item.config)
    problems: list[str] = []
    failed = True
    try:
        with session.naming(item), session.watching(item.nodeid, problems):
            result = yield
        failed = False
        return result
    finally:
        text = _verdict(item, problems)
        if text and failed:
            item.add_report_section("call", "calls of models", text)
        elif text:
            pytest.fail(text, pytrace=False)


def _verdict(item: pytest.Item, problems: list[str]) -> str:
    marker = item.get_closest_marker(_MARKER)
    if marker is None:
        return "\n".join(problems)
    reason = marker.kwargs.get("reason") or next(iter(marker.args), "")
    return "" if reason else f"say why: @pytest.mark.{_MARKER}('a health check of ours')"


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A session with calls that outlived their test has failed; a worker of xdist hands on what it saw."""
    found = session.config.stash.get(_SESSION, None)
    if found is None:
        return
    found.end()
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["genai_cost"] = found.as_lists()
    if found.late and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """In xdist's controller: what a worker saw."""
    seen = getattr(node, "workeroutput", {}).get("genai_cost")
    if seen:
        _session(node.config).add(seen)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Where calls were made, and which came too late."""
    found = config.stash.get(_SESSION, None)
    if found is None:
        return
    for title, lines in found.report():
        terminalreporter.section(f"genai-cost: {title}")
        for line in lines:
            terminalreporter.write_line(line)
