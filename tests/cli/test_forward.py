"""`forward` and `ship --from`: what a caller got wrong is one line, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import run

_KAFKA = ("forward", "--to", "kafka")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("forward", "--to", "pigeon"), "no such broker: 'pigeon'; installed:"),
        (_KAFKA, "kafka needs the option servers"),
        ((*_KAFKA, "--option", "servers"), "no option: 'servers'; in --option; write key=value"),
        ((*_KAFKA, "--option", "colour=red"), "no such option of the broker: 'colour'"),
        (
            (
                *_KAFKA,
                "--option",
                "servers=h:1",
                "--option",
                "topic=t",
                "--option",
                "password=env:NOT_SET_AT_ALL",
            ),
            "NOT_SET_AT_ALL",
        ),
        (("ship", "--from", "pigeon"), "no such broker: 'pigeon'"),
        (("ship", "--from", "kafka", "--option", "topic=t"), "kafka needs the option servers"),
    ],
)
def test_wrong_options_are_told(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = run(*arguments, env={"OTEL_GENAI_COST_LEDGER": str(tmp_path / "home")})
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_no_message_was_ever_set_aside(tmp_path: Path) -> None:
    done = run("ledger", "dead-letters", "--ledger", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")
    assert "no message was set aside" in done.stderr
