"""Where calls stand that are nobody's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry import context

from otel_genai_cost import system, tenant
from otel_genai_cost.metering.call_sites import call_site
from tests.metering.conftest import Metered


def test_a_call_that_is_nobodys_names_its_place_in_the_code(metered: Metered) -> None:
    with tenant("acme"):
        metered.call()
        kept = context.get_current()
    metered.call(parent=kept)
    metered.call()
    with system("health"):
        metered.call()
    first, stale, missing, health = metered.journalled
    assert (first.attribution.tenant, first.call_site) == ("acme", None)
    assert stale.attribution.absent == "stale"
    assert (health.attribution.absent, health.call_site) == ("system", None)
    assert missing.attribution.absent == "missing"
    for nobodys in (stale, missing):
        assert nobodys.call_site is not None
        assert nobodys.call_site.startswith(f"{Path(__file__).parent}/conftest.py:")
        assert nobodys.call_site.endswith(" in call")


_CLIENT = """
from otel_genai_cost.metering.call_sites import call_site
def ask():
    return call_site()
"""
_INSTRUMENTED = (
    _CLIENT
    + """
import wrapt
from otel_genai_instrumentors.traced import traced
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.spans import CallTracer
none = lambda *_: {}
method = Method("chat", none, none, none, lambda *_: (None, None))
ask = wrapt.FunctionWrapper(ask, traced(method, CallTracer("client", None)))
"""
)


@pytest.mark.parametrize("library", [_CLIENT, _INSTRUMENTED], ids=["alone", "instrumented"])
def test_the_place_is_the_applications_own(tmp_path: Path, library: str) -> None:
    """Libraries between the application and the call are passed over, and so are our instrumentors; an application that
    is itself installed as a package is named by its outermost frame."""
    packages = tmp_path / "site-packages"
    packages.mkdir()
    (packages / "client.py").write_text(library)
    program = "import client\ndef answer():\n    return client.ask()\nprint(answer())\n"
    for script, place in (
        (tmp_path / "app.py", "app.py:3 in answer"),
        (packages / "app.py", "app.py:4 in <module>"),
    ):
        script.write_text(program)
        done = subprocess.run(
            [sys.executable, str(script)],
            env={"PYTHONPATH": f"{packages}:{Path.cwd()}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip().endswith(place)


def test_a_place_is_bounded() -> None:
    found = call_site()
    assert found is not None
    assert len(found) <= 256
