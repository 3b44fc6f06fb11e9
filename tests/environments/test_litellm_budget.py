"""LiteLLM's budget admits the load that ours is compared with, and says when its cap is used up."""

from __future__ import annotations

import pytest

from tests.faults.beside_litellm import theirs

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]


def test_its_own_functions_run_without_a_database() -> None:
    found = theirs(1)
    assert 0.9 < found[1] < 1.1, "one caller spends what there is, but for the last call"
