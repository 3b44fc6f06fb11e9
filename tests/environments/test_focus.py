"""The official validator of FOCUS 1.2 finds nothing in what statements are exported as, in CSV and in Parquet.

It needs a Python and pins of its own, ends with 0 whatever it finds, and reads a file beside its packages.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.statements.exports.focus_columns import columns_of
from otel_genai_cost.statements.exports.focus_files import SQL_TYPES, focus_csv, focus_records
from otel_genai_cost.statements.exports.focus_rows import Row, focus_rows
from otel_genai_cost.statements.exports.issuer import NOBODY
from otel_genai_exporters.parquet import write_parquet
from tests.environments.made import interpreter, python_with
from tests.statements.exports.samples import (
    HOSTILE,
    ISSUER,
    daily_of,
    hostile,
    many,
    revised,
    spread,
    statement,
    used,
    usual,
)

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_KEPT: Final = Path(tempfile.gettempdir()) / "otel-genai-cost-contract"
_MODEL: Final = "1.2.0.1"
_SUPPORTED: Final = (
    "ACCOUNT_NAMING_SUPPORTED",
    "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED",
    "MULTIPLE_PRICING_CATEGORIES_SUPPORTED",
    "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED",
    "NEGOTIATED_PRICING_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "UNIT_PRICING_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
    "VIRTUAL_CURRENCY_SUPPORTED",
)
"""What a statement can do, of what makes columns mandatory: no commitments, regions, zones or resources."""

_VERDICT: Final = re.compile(r"^\S+ ([A-Za-z0-9]+-[A-Z]-\d+-[A-Z]): (PASS|FAIL|SKIPPED)\b", re.M)
_TOTAL: Final = re.compile(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) ", re.M)

_STATEMENTS: Final = (
    usual(),
    revised(),
    spread(),
    statement([used("gpt-4o", "input", 1_000_000, "250.00")], currency="ACU"),
    many(400),
    *map(hostile, HOSTILE),
)


@pytest.fixture(scope="module")
def validator() -> Path:
    """The program, in an environment of its own."""
    python = interpreter("3.12")
    if python is None:
        pytest.fail("no Python 3.12, which the validator of FOCUS needs")
    made = python_with(_KEPT, "focus-validator==2.2.1", "pyarrow<21", ours=None, python=python)
    return made.with_name("focus-validator")


def _verdicts(validator: Path, path: Path, *criteria: str) -> dict[str, str]:
    """What it says of each of its rules."""
    packages = next(validator.parent.parent.glob("lib/python*/site-packages"))
    options = ["--validate-version", _MODEL, "--block-download"]
    if criteria:
        options += ["--applicability-criteria", ",".join(criteria)]
    done = subprocess.run(
        [str(validator), "--data-file", str(path), *options],
        cwd=packages,
        capture_output=True,
        text=True,
        check=True,
    )
    found = dict(_VERDICT.findall(done.stdout))
    total = _TOTAL.search(done.stdout)
    assert total is not None, done.stdout[-2_000:] + done.stderr[-2_000:]
    count, passed, failed = map(int, total.groups())
    verdicts = list(found.values())
    assert (count, passed, failed) == (
        len(found),
        verdicts.count("PASS"),
        verdicts.count("FAIL"),
    )
    return found


def _failures(validator: Path, path: Path, *criteria: str) -> list[str]:
    """The rules that are broken. Of two that exclude each other one always is: where both are the alternatives of a
    rule that says `either`, its verdict counts, not theirs."""
    verdicts = _verdicts(validator, path, *criteria)
    assert sum(verdict == "PASS" for verdict in verdicts.values()) > 100
    alternatives = dict(_alternatives(validator))
    return [
        rule
        for rule, verdict in verdicts.items()
        if verdict == "FAIL" and verdicts.get(alternatives.get(rule, "")) != "PASS"
    ]


def _alternatives(validator: Path) -> Iterator[tuple[str, str]]:
    """Each alternative of a rule, and the rule."""
    (model,) = validator.parent.parent.glob(
        f"lib/python*/site-packages/focus_validator/rules/model-{_MODEL}.json"
    )
    rules: dict[str, Any] = json.loads(model.read_text("utf-8"))["ModelRules"]
    for name, rule in rules.items():
        requirement = rule["ValidationCriteria"]["Requirement"]
        if requirement.get("CheckFunction") == "OR":
            for item in requirement["Items"]:
                if item["CheckFunction"] == "CheckModelRule":
                    yield item["ModelRuleId"], name


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Of every statement that has an invoice."""
    return [row for one in _STATEMENTS for row in focus_rows(one, daily_of(one), ISSUER)]


@pytest.mark.parametrize("criteria", [(), _SUPPORTED], ids=["default", "supported"])
def test_csv(validator: Path, rows: list[Row], criteria: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    path.write_text(focus_csv(rows, "1.2"), "utf-8")
    assert not _failures(validator, path, *criteria)


def test_parquet(validator: Path, rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "focus.parquet"
    types = {column.name: SQL_TYPES[column.kind] for column in columns_of("1.2")}
    write_parquet(focus_records(rows, "1.2"), types, path)
    assert not _failures(validator, path, *_SUPPORTED)


def test_without_an_issuer_and_an_invoice(validator: Path, tmp_path: Path) -> None:
    one = usual()._replace(state="open")
    path = tmp_path / "focus.csv"
    path.write_text(focus_csv(focus_rows(one, daily_of(one), NOBODY), "1.2"), "utf-8")
    assert not _failures(validator, path, *_SUPPORTED)


def test_it_would_find_something(validator: Path, rows: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "focus.csv"
    path.write_text(focus_csv(rows, "1.2").replace(",EUR,", ",Euro,"), "utf-8")
    assert "BillingCurrency-C-003-M" in _failures(validator, path, *_SUPPORTED)
