"""What the manifest says of the queues' releases is what runs: all of it by `make releases`, the oldest of two here."""

from __future__ import annotations

import pytest

from tests.queues.releases import RELEASES, rows, run


def test_every_queue_has_its_cases() -> None:
    assert rows().keys() == RELEASES.keys()


@pytest.mark.service
@pytest.mark.environments
@pytest.mark.parametrize("library", ("rq", "arq"))
def test_the_oldest_release(library: str) -> None:
    ran = run(library, "oldest", rows()[library].tested[0])
    assert (ran.passed, ran.failed) == (RELEASES[library].cases, ())
