"""A command lives in the file of its name: whoever reads the help knows where to look."""

from __future__ import annotations

from typing import Any

import pytest

from otel_genai_cost.cli.app import command

_ROOM = "otel_genai_cost.cli."


def _commands(group: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for name in group.list_commands(None):
        one = group.get_command(None, name)
        if hasattr(one, "commands"):
            found |= _commands(one, (*path, name))
        else:
            found[(*path, name)] = one
    return found


_EVERY = _commands(command())


def test_every_command_is_found() -> None:
    assert {("ship",), ("ledger", "suspects"), ("prices", "import"), ("doctor",)} <= set(_EVERY)


@pytest.mark.parametrize("path", _EVERY, ids=" ".join)
def test_a_command_stands_in_the_file_or_folder_of_its_name(path: tuple[str, ...]) -> None:
    module = _EVERY[path].callback.__module__
    assert module.startswith(_ROOM)
    parts = module.removeprefix(_ROOM).split(".")
    place = tuple(part.rstrip("_").replace("_", "-") for part in parts)
    in_its_folder = len(path) == 1 and place[:1] == path
    assert place == path[: len(place)] or in_its_folder
