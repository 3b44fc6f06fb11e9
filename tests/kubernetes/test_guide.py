"""docs/kubernetes.md: what it tells to type is what there is, and the Secrets that it makes are those of pods."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.kubernetes.chart import APPLICATIONS, FOLDER, MANIFESTS
from tests.kubernetes.commands import parse

_ROOT: Final = FOLDER.parent
_PAGE: Final = _ROOT / "docs" / "kubernetes.md"
_CREATED: Final = re.compile(r"-n (\S+) create secret generic (\S+) --from-file=(?:(\S+)=)?(\S+)")


def _commands() -> list[str]:
    blocks = re.findall(
        r"^```\n(.*?)^```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line for block in blocks for line in block.splitlines()]


def _objects() -> Iterator[dict[str, Any]]:
    files = [FOLDER / "manifests" / f"{name}.yaml" for name in MANIFESTS]
    for path in [*files, *APPLICATIONS]:
        for found in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if found:
                yield found


def _typed() -> list[str]:
    """What follows `genai-cost` in each command, in a pod or not."""
    found = [line.partition("genai-cost ")[2] for line in _commands() if line.startswith("genai")]
    inside = [line.partition(" -- genai-cost ")[2] for line in _commands()]
    return [line.partition(" > ")[0] for line in [*found, *inside] if line]


@pytest.mark.parametrize("typed", _typed())
def test_each_command_is_one_that_there_is(typed: str) -> None:
    parse(shlex.split(typed))


def test_there_are_commands_to_look_at() -> None:
    assert len(_typed()) >= 6


@pytest.mark.parametrize(
    "typed", ["nope", "ledger nope", "report --nope", "collector serve --to=x --requests-max=0"]
)
def test_a_command_that_there_is_not_is_found(typed: str) -> None:
    with pytest.raises(Exception, match=r"nope|greater than or equal"):
        parse(shlex.split(typed))


def test_each_file_that_a_command_names_is_there() -> None:
    named = {
        word for line in _commands() for word in shlex.split(line) if word.startswith("kubernetes/")
    }
    assert named
    assert not [name for name in named if not (_ROOT / name).exists()]


def test_the_secrets_that_it_makes_are_those_that_pods_mount() -> None:
    made = {
        (namespace, secret, key or file)
        for line in _commands()
        for namespace, secret, key, file in _CREATED.findall(line)
    }
    mounted = set()
    for found in _objects():
        pod = found.get("spec", {}).get("template", {}).get("spec", {})
        for volume in pod.get("volumes", ()):
            if "secret" in volume:
                name = volume["secret"]["secretName"]
                key = "sender-tokens.json" if name == "genai-cost-senders" else "token"
                mounted.add((found["metadata"]["namespace"], name, key))
    assert made == mounted


def test_the_figures_follow_from_each_other() -> None:
    text = _PAGE.read_text(encoding="utf-8")
    journal, booked = 600, 770
    for calls, day, month in re.findall(
        r"^\| (\d+) calls?/s.*\| (\S+) MB \| (\d+) GB \|$", text, re.M
    ):
        assert int(day) == pytest.approx(int(calls) * 86_400 * journal / 1e6, rel=0.03)
        assert int(month) == pytest.approx(int(calls) * 86_400 * 30 * booked / 1e9, rel=0.05)
    assert (
        f"{journal} bytes in the journal" in text and f"{booked / 1000:g} kB in the ledger" in text
    )
