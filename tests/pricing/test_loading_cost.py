"""What importing and using prices may bring in: counted by modules and files, not by the clock."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

_PROBE: Final = """
import json, sys
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
book = load_book()
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
for model in ("gpt-4o", "gpt-9", "gpt-5-2025-08-07"):
    price(book, "openai", model, partition(10, 5, {}), 1795322583626221, {"service_tier": "flex"})
json.dump([sorted(sys.modules), opened], sys.stdout)
"""


def test_pricing_a_call_opens_no_file_and_brings_nothing_heavy() -> None:
    run = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, check=True, timeout=60
    )
    modules, opened = json.loads(run.stdout)
    assert opened == []
    heavy = {
        "tomllib",
        "tomli",
        "difflib",
        "opentelemetry",
        "sqlite3",
        "socket",
        "asyncio",
        "typer",
    }
    assert not heavy & set(modules)
    assert "otel_genai_cost.pricing.check" not in modules
