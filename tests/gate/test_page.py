"""docs/gate.md: its requests are answered as it says, from top to bottom."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from otel_genai_cost.limits.budget import Rung
from tests.gate.opened import opened
from tests.limits.build import budget

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "gate.md"
_EXAMPLE = re.compile(r"```http\n(GET|POST) (\S+)\n(.*?)\n*(\d{3})\n(.*?)```", re.DOTALL)
_LADDER = (
    Rung(50, "warn"),
    Rung(70, "downgrade", (("gpt-4o", "gpt-4o-mini"),)),
    Rung(80, "shrink"),
)


def test_every_request_is_answered_as_it_is_shown(tmp_path: Path) -> None:
    examples = _EXAMPLE.findall(_PAGE.read_text(encoding="utf-8"))
    assert len(examples) >= 9
    with opened(
        tmp_path, budget("acme", scope={"tenant": "acme"}, hard="1", ladder=_LADDER)
    ) as gate:
        for method, path, body, status, shown in examples:
            content = body.strip() or None
            answer = gate.client.request(method, path, content=content, headers=gate.team)
            assert answer.status_code == int(status), answer.text
            assert _has(answer.json(), json.loads(shown)), (path, answer.json())


def _has(found: Any, shown: Any) -> bool:
    """Whether an answer has all that is shown of it."""
    if isinstance(shown, dict):
        return all(key in found and _has(found[key], value) for key, value in shown.items())
    if isinstance(shown, list):
        return len(found) == len(shown) and all(map(_has, found, shown))
    return bool(found == shown)
