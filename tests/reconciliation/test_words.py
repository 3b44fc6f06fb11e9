"""The words of real bills: meters of clouds and line items, as exports and price lists of accounts have them."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.reconciliation.bill import Cell
from otel_genai_cost.reconciliation.importers.meter import meter_of
from otel_genai_cost.reconciliation.names import words_of
from otel_genai_cost.reconciliation.reading import read_bill


@pytest.mark.parametrize(
    ("text", "model", "leaf", "tier"),
    [
        ("USE1-MP:USE1_CacheReadInputTokenCount_Global-Units", None, "cache_read", ""),
        ("USE2-MP:USE2_CacheWrite1hInputTokenCount-Units", None, "cache_write_1h", ""),
        ("USW2-MP:USW2_output_tokens_global_standard-Units", None, "output", ""),
        ("USW2-MP:USW2_InputTokenCount_LCtx_Global-Units", None, "input", ""),
        (
            "USW2-Claude4.6Sonnet-cache-read-input-token-count",
            "claude-4.6-sonnet",
            "cache_read",
            "",
        ),
        ("USE1-openai.gpt-5.5-mantle-input-tokens-standard", "gpt-5.5", "input", ""),
        ("USE1-NovaPro-output-tokens-flex", "nova-pro", "output", "flex"),
        ("GPT 5 Mini outpt Glbl 1M Tokens", "gpt-5-mini", "output", ""),
        ("GPT 5 Mini pp cchd Inpt Glbl", "gpt-5-mini", "cache_read", "priority"),
        ("5.4 mini cd Inp Gl 1M Tokens", "5.4-mini", "cache_read", ""),
        ("5.4 opt Gl 1M Tokens", "5.4", "output", ""),
        ("6-astra LongCo Cd Wr Std Gl 1M Tokens", "6-astra", "cache_write", ""),
        ("gpt rt aud 0828 cchd Inp glbl Tokens", "gpt-realtime-0828", "cache_read_audio", ""),
        ("gpt-4o-rt-txt-1217 cchd Inp DZn", "gpt-4o-realtime-1217", "cache_read", ""),
        ("text-embedding-3-small-glbl Tokens", "text-embedding-3-small", "input", ""),
        (
            "Generate content output token count gemini 2.5 flash short input text",
            *("gemini-2.5-flash", "output", ""),
        ),
        (
            "Generate content input token count Gemini 2.5 Pro input image",
            *("gemini-2.5-pro", "input_image", ""),
        ),
        (
            "Generate content cached input token count gemini 2.5 flash input image",
            *("gemini-2.5-flash", "cache_read", ""),
        ),
        (
            "EmbedContent input token count for gemini-embedding-2",
            "gemini-embedding-2",
            "input",
            "",
        ),
        ("Gemini 3 Flash Text Input Caching", "gemini-3-flash", "cache_read", ""),
        ("Gemini 3 Flash Text Input Caching Storage", "gemini-3-flash", None, ""),
        ("Gemini 2.5 Pro Text Output (Long) - Predictions", "gemini-2.5-pro", "output", ""),
        (
            "Gemini 2.5 Flash Text Input - Batch Predictions",
            *("gemini-2.5-flash", "input", "batch"),
        ),
    ],
)
def test_a_meter_says(text: str, model: str | None, leaf: str | None, tier: str) -> None:
    assert meter_of(text) == (model, leaf, tier)


@pytest.mark.parametrize(
    ("item", "model", "leaf", "tier"),
    [
        ("gpt-image-2.5-flare image, output", "gpt-image-2.5-flare", "output_image", ""),
        ("gpt-image-2.5-sunburst text, cached input", "gpt-image-2.5-sunburst", "cache_read", ""),
        ("gpt-audio-mini-2025-12-15 audio, input", "gpt-audio-mini-2025-12-15", "input_audio", ""),
        ("priority | gpt-5.6-sol, output, long context", "gpt-5.6-sol", "output", "priority"),
        ("gpt-5.6-sol, cache writes, long context", "gpt-5.6-sol", "cache_write", ""),
        ("gpt-5.5-2026-04-23, cached input", "gpt-5.5-2026-04-23", "cache_read", ""),
        ("web search tool calls", None, None, ""),
    ],
)
@pytest.mark.parametrize("value", ["0.8958740000000000000000000000", 0.895874])
def test_a_line_item_of_openai_says(
    tmp_path: Path, item: str, model: str | None, leaf: str | None, tier: str, value: Any
) -> None:
    amount = {"value": value, "currency": "usd"}
    result = {"object": "organization.costs.result", "amount": amount, "line_item": item}
    empty = {"object": "bucket", "start_time": 1_791_244_800, "results": []}
    bucket = {"object": "bucket", "start_time": 1_791_158_400, "results": [result]}
    page = {"object": "page", "data": [bucket, empty], "has_more": False, "next_page": None}
    (tmp_path / "costs.json").write_text(json.dumps(page), "utf-8")
    ((cell, billed),) = read_bill("openai", [tmp_path / "costs.json"]).cells.items()
    assert (cell.model, cell.token_type, cell.tier) == (model, leaf, tier)
    assert billed.amount == 895_874_000_000_000_000
    assert cell.what == ("" if leaf else item)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("Claude Haiku 4.5", "anthropic.claude-haiku-4-5-20251001-v1:0"),
        ("Claude 3.5 Haiku", "us.anthropic.claude-3-5-haiku-20241022-v1:0"),
        ("Claude Sonnet 4.6", "global.anthropic.claude-sonnet-4-6"),
    ],
)
def test_what_the_marketplace_sells_is_named_by_its_product(
    tmp_path: Path, name: str, ours: str
) -> None:
    product = f"{name} (Amazon Bedrock Edition)"
    row = {
        "bill_invoice_id": "",
        "line_item_usage_start_date": "2026-10-05T07:00:00.000Z",
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "5k2xcu0h9dyvkk0g3mjgqs4uf",
        "line_item_usage_type": "USW2-MP:USW2_InputTokenCount-Units",
        "line_item_usage_amount": "29.481",
        "line_item_unblended_cost": "0.0324291",
        "line_item_currency_code": "USD",
        "line_item_line_item_description": "AWS Marketplace software usage|us-west-2|Million Input Tokens",
        "pricing_unit": "Units",
        "product": json.dumps({"product_name": product, "region": "us-west-2"}),
    }
    with (tmp_path / "cur.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    ((cell, billed),) = read_bill("aws.bedrock", [tmp_path / "cur.csv"]).cells.items()
    assert (cell.model, cell.token_type) == (name, "input")
    assert billed.quantity == Fraction(29_481_000)
    assert words_of([cell], lambda name: None).model(ours) == name


def test_a_meter_without_the_family_is_of_the_model() -> None:
    model = meter_of("5.4 mini cd Inp Gl 1M Tokens").model
    cell = Cell("2026-10-05", "usage", model, "cache_read", None, "", "USD")
    assert words_of([cell], lambda name: None).model("gpt-5.4-mini-2026-03-17") == model
