"""The files of `gateway-config/`: the commands that they name are there, and listen where the proxies ask."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.program import call
from tests.gateways.proxies import CONFIG

_COMMAND = re.compile(r"^#[ \t]+genai-cost (.+?)(?:[ \t]+#.*)?$", re.MULTILINE)
_PORT = re.compile(r"(?:127\.0\.0\.1:|port_value: )(\d+)")


@pytest.mark.parametrize("file", sorted(CONFIG.iterdir()), ids=lambda path: path.name)
def test_what_a_file_says_to_run_is_there_and_where_the_proxy_asks(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = file.read_text(encoding="utf-8")
    commands = _COMMAND.findall(text)
    assert len(commands) >= 2
    for command in commands:
        done = call(capsys, *command.split(), "--help")
        assert done.code == 0, f"{command}: {done.err}"
    asked = [one for one in commands if "ext-proc" in one] or commands
    (listens,) = re.findall(r"--(?:port |listen 127\.0\.0\.1:)(\d+)", " ".join(asked))
    body = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert listens in _PORT.findall(body), "the proxy asks elsewhere"
