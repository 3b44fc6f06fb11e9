"""The contracts file: read exactly, refused with every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, PriceBookError
from otel_genai_cost.ledger.contracts.file import load_contracts, read_contracts
from otel_genai_cost.pricing.money import parse_money

_HEAD = 'schema = "otel-genai-cost-contracts/1"\n'
_CONTRACT = """\
[[contract]]
id = "acme-2026"
source = "MSA 2026-117"
order = 10
from = 2026-10-01T00:00:00Z
to = 2027-10-01T02:00:00+02:00
match = { tenant = "acme", provider = "OpenAI", labels = { feature = "search" } }
multiplier = 0.925
"""
_RATES = """\
[[contract]]
id = "globex"
source = "letter"
order = 20
from = 2026-10-01T00:00:00Z
match = { tenant = ["globex", "initech"], context = { batch = true } }
rates = { input = 2.00, output = 8 }
currency = "EUR"
"""
_FX = """\
[[fx]]
base = "USD"
quote = "EUR"
rate = 0.9213
from = 2026-10-01T00:00:00Z
source = "ECB"
"""


def test_file_is_read_exactly() -> None:
    found = read_contracts((_HEAD + _CONTRACT + _RATES + _FX).encode())
    acme, globex = found.contracts
    assert (acme.multiplier, acme.tenants, acme.providers) == (
        925_000_000,
        frozenset({"acme"}),
        frozenset({"openai"}),
    )
    assert acme.labels == (("feature", "search"),)
    assert acme.to_us is not None
    assert acme.to_us - acme.from_us == 365 * 86_400_000_000
    assert globex.rates == {
        "input": (parse_money("2"), 1_000_000),
        "output": (parse_money("8"), 1_000_000),
    }
    assert (globex.tenants, globex.currency) == (frozenset({"globex", "initech"}), "EUR")
    assert found.exchange_rates[0].rate == parse_money("0.9213")


def test_canonical_json_is_the_same_file() -> None:
    found = read_contracts((_HEAD + _CONTRACT + _RATES + _FX).encode())
    again = read_contracts(found.document)
    assert again.digest == found.digest
    assert again.contracts == found.contracts
    assert again.exchange_rates == found.exchange_rates
    turned = read_contracts((_HEAD + _FX + _RATES + _CONTRACT).encode())
    assert turned.digest == found.digest


def test_byte_order_mark_and_crlf_are_read_like_none() -> None:
    text = _HEAD + _CONTRACT
    marked = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    assert read_contracts(marked).digest == read_contracts(text.encode()).digest


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_CONTRACT + 'colour = "red"\n', "unknown key 'colour'"),
        (_CONTRACT.replace("order = 10\n", ""), "without 'order'"),
        (_CONTRACT.replace("10\n", "10.5\n"), "order is '10.5'"),
        (_CONTRACT.replace("0.925", "1.0399999999999998"), "9 decimals"),
        (_CONTRACT.replace("0.925", "-0.5"), "multiplier is '-0.5'"),
        (_CONTRACT.replace("0.925", "nan"), "multiplier is 'NaN'"),
        (_CONTRACT.replace("0.925", "true"), "multiplier is 'True'"),
        (_CONTRACT.replace("0.925", "0"), "free = true"),
        (_CONTRACT.replace("01T00:00:00Z", "01T00:00:00"), "with an offset"),
        (_CONTRACT.replace("multiplier = 0.925", ""), "say what was agreed"),
        (_CONTRACT + 'rates = { input = 1 }\ncurrency = "USD"\n', "write two contracts"),
        (_CONTRACT.replace("multiplier = 0.925", "rates = { input = 1 }"), "without a currency"),
        (_RATES.replace("input", "imput"), "unknown leaf 'imput'"),
        (_RATES.replace("2.00", "-2"), "input is '-2'"),
        (_RATES.replace('"EUR"', '"euro"'), "ISO 4217"),
        (_RATES.replace("batch = true", "batch = 1"), "write batch = true"),
        (_RATES.replace("batch = true", 'bach = "x"'), "unknown key 'bach' in context"),
        (_CONTRACT.replace("tenant =", "tennant ="), "unknown key 'tennant' in match"),
        (_CONTRACT.replace('"acme"', '"acme corp"'), "is no tenant id"),
        (_CONTRACT.replace('"acme"', "[]"), "a string or a list"),
        (_CONTRACT.replace('{ feature = "search" }', '"search"'), "labels is no table"),
        (_CONTRACT.replace('"search"', "7"), "a label that is no string"),
        (_CONTRACT + _CONTRACT, "stands twice"),
        (_CONTRACT.replace("2027", "2025"), "the end must be after the start"),
        (_FX + _FX, "overlaps"),
        (_FX.replace("0.9213", "0"), "exchange rate of nothing"),
        ("[[contrakt]]\nid = 1\n", "unknown key 'contrakt'"),
        ("[contract]\nid = 1\n", "unknown key 'contract'"),
        ("[[contract]\n", "not TOML"),
    ],
)
def test_defect_is_told_with_its_remedy(text: str, told: str) -> None:
    with pytest.raises(PriceBookError) as error:
        read_contracts((_HEAD + text).encode(), "contracts.toml")
    assert told in str(error.value)


def test_all_problems_come_at_once_with_their_lines() -> None:
    broken = _HEAD + _CONTRACT.replace("0.925", "-1") + _RATES.replace("20", "0.1", 1)
    with pytest.raises(PriceBookError) as error:
        read_contracts(broken.encode(), "contracts.toml")
    assert [(problem.file, problem.line) for problem in error.value.problems] == [
        ("contracts.toml", 2),
        ("contracts.toml", 10),
    ]


def test_equal_orders_are_refused_where_both_may_hold() -> None:
    everybody = _CONTRACT.replace("acme-2026", "all").replace('tenant = "acme", ', "")
    with pytest.raises(PriceBookError, match="give them different orders"):
        read_contracts((_HEAD + _CONTRACT + everybody).encode())
    for apart in (
        everybody.replace('"OpenAI"', '"anthropic"'),
        everybody.replace('"search"', '"chat"'),
        everybody.replace("2026-10", "2028-10").replace("2027-10", "2029-10"),
        everybody.replace("order = 10", "order = 11"),
        _CONTRACT.replace("acme", "globex"),
    ):
        assert len(read_contracts((_HEAD + _CONTRACT + apart).encode()).contracts) == 2


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ('"gpt-4o"', '"GPT-4o-2024-08-06"', True),  # asked for, and answered
        ('["o3", "claude-sonnet-4@20250514"]', '"claude-sonnet-4"', True),
        ('"gpt-4-0613"', '"gpt-4"', True),
        ('"claude-3-5-haiku-latest"', '"claude-3-5-haiku-20241022"', True),
        ('"gpt-4o-2024-11-20"', '"gpt-4o-2024-08-06"', False),
        ('"gpt-4o"', '"gpt-4o-mini"', False),
        ('"gpt-4o"', '"gpt-4o-mini-2024-07-18"', False),
    ],
)
def test_models_of_one_order_are_refused_where_a_call_has_both_names(
    one: str, other: str, meet: bool
) -> None:
    texts = [
        _CONTRACT.replace("acme-2026", name).replace("labels", f"model = {model}, labels")
        for name, model in (("first", one), ("second", other))
    ]
    content = (_HEAD + "".join(texts)).encode()
    if not meet:
        assert len(read_contracts(content).contracts) == 2
        return
    with pytest.raises(PriceBookError, match="give them different orders"):
        read_contracts(content)


def test_conditions_of_one_order_meet_in_any_case() -> None:
    first = _RATES.replace("batch = true", 'service_tier = "Flex"')
    second = first.replace('"globex"\n', '"other"\n').replace("Flex", "flex")
    with pytest.raises(PriceBookError, match="give them different orders"):
        read_contracts((_HEAD + first + second).encode())


def test_newer_format_is_refused_with_the_remedy() -> None:
    with pytest.raises(FormatTooNewError, match="upgrade"):
        read_contracts(b'schema = "otel-genai-cost-contracts/2"\n')
    with pytest.raises(PriceBookError, match="schema is"):
        read_contracts(b"")


def test_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="OTEL_GENAI_COST_CONTRACTS"):
        load_contracts(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="no such file"):
        load_contracts(tmp_path)
