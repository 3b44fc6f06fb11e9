"""Nobody pays for another one's calls: each way in which that happens elsewhere, with the real libraries under plain
`opentelemetry-instrument`. `wrong_tenants.py` says what each is."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.demo.processes import children, instrumented
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in
from tests.tenancy.wrong_tenants_program import CASES, WHO

_WITH_TOKENS: Final = ("forged_headers_of_a_message", "forged_headers_of_a_request")
_RIGHT: Final = {"acme": "acme", "globex": "globex", "none": None}


def _found(
    folder: Path, environment: Mapping[str, str], cases: tuple[str, ...]
) -> dict[str, str | None]:
    """Whom each call went to, by its name. What recurs has to be the same each time."""
    variables = {
        **clean_environment(),
        "HOME": str(folder),
        **{f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        "OTEL_GENAI_COST_TENANT": "header:x-org-id",
        "PYTHONWARNINGS": "ignore",
        "LAUNCHER": instrumented()[0],
        **environment,
    }
    command = instrumented(sys.executable, "-m", "tests.tenancy.wrong_tenants_program", *cases)
    with children() as family:
        program = family.start("program", command, folder / "log", variables)
        assert program.wait(200) == 0, program.output()
    found: dict[str, str | None] = {}
    for one in observations_in(folder / "journal"):
        if one.reading.role != "context":
            name = str(one.reading.response_id)
            assert found.setdefault(name, one.attribution.tenant) == one.attribution.tenant, name
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """By propagators in the order that keeps whatever is around."""
    cases = tuple(name for name in CASES if name != "forged_headers_of_a_message")
    order = {"OTEL_PROPAGATORS": "baggage,tracecontext"}
    return _found(tmp_path_factory.mktemp("wrong"), order, cases)


@pytest.fixture(scope="module")
def vouched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    """By tokens."""
    trust = {
        "OTEL_PROPAGATORS": "tracecontext,genai_cost",
        "OTEL_GENAI_COST_TOKEN_KEYS": f"k1:hmac-sha256:{base64.b64encode(b'k' * 32).decode()}",
    }
    return _found(tmp_path_factory.mktemp("vouched"), trust, _WITH_TOKENS)


def _of(found: Mapping[str, str | None], case: str) -> dict[str, str | None]:
    prefix = f"{case}/"
    return {
        name.removeprefix(prefix): tenant
        for name, tenant in found.items()
        if name.startswith(prefix)
    }


def test_thread_that_a_request_starts(found: dict[str, str | None]) -> None:
    assert _of(found, "thread") == _RIGHT


def test_thread_that_nothing_is_carried_to(found: dict[str, str | None]) -> None:
    assert _of(found, "thread-blind") == dict.fromkeys(WHO)


def test_task_that_a_request_starts(found: dict[str, str | None]) -> None:
    assert _of(found, "task") == _RIGHT
    assert _of(found, "task-blind") == dict.fromkeys(WHO)


def test_callback_on_a_pool(found: dict[str, str | None]) -> None:
    assert _of(found, "callback") == {"acme-first": "acme", **_RIGHT}


def test_pools_that_are_forked(found: dict[str, str | None]) -> None:
    assert _of(found, "fork-executor") == {"acme-first": "acme", **_RIGHT}
    assert _of(found, "fork-pool") == _RIGHT


def test_schedulers_that_a_request_starts(found: dict[str, str | None]) -> None:
    for kind in ("", "loop-"):
        assert _of(found, f"{kind}cron") == {"none": None}
        assert _of(found, f"{kind}once") == _RIGHT


def test_sampling_by_mcp(found: dict[str, str | None]) -> None:
    assert _of(found, "sampling") == _RIGHT
    assert _of(found, "tool") == _RIGHT


def test_worker_that_keeps_a_context(found: dict[str, str | None]) -> None:
    assert _of(found, "actor") == _RIGHT


def test_context_around_a_worker(found: dict[str, str | None]) -> None:
    assert _of(found, "around") == _RIGHT
    assert _of(found, "around-job") == {"none": None}


def test_forged_headers_of_a_request(
    found: dict[str, str | None], vouched: dict[str, str | None]
) -> None:
    assert _of(found, "spoofed") == _of(vouched, "spoofed") == _RIGHT


def test_forged_headers_of_a_message(vouched: dict[str, str | None]) -> None:
    assert _of(vouched, "forged") == {"acme": "acme", "none": None}
