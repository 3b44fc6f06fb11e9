"""Failures of the contract show what differs."""

import pytest

pytest.register_assert_rewrite("tests.contract.judge", "tests.contract.cases")
