"""Files of bearer tokens: nothing is lost that was given out, and what was revoked does not come back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from otel_genai_cost.tokens import TokenFile, TokenUse


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "home" / "tokens.json", TokenUse("send", "sender", "add one"))


def _at_once(works: Sequence[Callable[[], object]]) -> None:
    ready = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        ready.wait(20)
        work()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_all_are_kept_that_are_given_out_at_once(file: TokenFile) -> None:
    names = [f"node-{n}" for n in range(16)]
    _at_once([partial(file.add, name, None) for name in names])
    assert sorted(str(token.holder) for token in file.read()) == sorted(names)


def test_what_is_revoked_while_others_are_given_out_does_not_come_back(file: TokenFile) -> None:
    gone = [file.add("leaver", None).split("_")[1] for _ in range(8)]
    _at_once([partial(file.revoke, name) for name in gone] + [partial(file.add, "comer", None)] * 8)
    assert [token.holder for token in file.read()] == ["comer"] * 8


def test_to_revoke_where_there_is_nothing_makes_nothing(file: TokenFile) -> None:
    assert not file.revoke("0011")
    assert not file.path.parent.exists()
