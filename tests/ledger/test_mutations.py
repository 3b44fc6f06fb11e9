"""The list of breaks fits the source, so that `make mutations` breaks what it says."""

from __future__ import annotations

import pytest

from tests.ledger.mutations import Mutation, mutations, source_of


@pytest.mark.parametrize("mutation", list(mutations()), ids=lambda one: one.name)
def test_break_is_made_in_one_place(mutation: Mutation) -> None:
    assert source_of(mutation).read_text(encoding="utf-8").count(mutation.old) == 1
    assert mutation.old != mutation.new
