"""A team's test suite, for tests of the pytest plugin."""

from __future__ import annotations

import pytest

from tests.testing.suite import APP, CONFTEST


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A team's test suite, with the plugin on."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(app=APP)
    pytester.makeini(
        "[pytest]\ngenai_cost_tenants = true\naddopts = --strict-markers -p no:cacheprovider\n"
    )
    return pytester
