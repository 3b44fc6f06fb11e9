"""Every setting: what it takes, what it refuses, and what a person is told about it."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost import launcher
from otel_genai_cost.cli.ledger_settings import LEDGER_SETTINGS, read_ledger_settings
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.forwarding.destination import Address
from otel_genai_cost.metering import environment_variables
from otel_genai_cost.metering.config import (
    DEFAULTS,
    SETTINGS,
    Settings,
    load_settings,
    replace_settings,
)
from otel_genai_cost.tenancy.edge import TenantSource
from otel_genai_cost.tenancy.tokens import Key, Keys


def _env(name: str) -> str:
    return f"OTEL_GENAI_COST_{name.upper()}"


_KEYS = Keys((Key("k1", "hmac-sha256", b"s" * 32),))
_KEY_TEXT = "k1:hmac-sha256:" + base64.b64encode(b"s" * 32).decode()

GOOD: dict[str, list[tuple[str, Any]]] = {
    "tenant": [
        ("header:X-Org-Id", TenantSource("header", "x-org-id")),
        ("baggage:org_id", TenantSource("baggage", "org_id")),
        ("span:account.id", TenantSource("span", "account.id")),
        ("callable:shop.tenants:of", TenantSource("callable", "shop.tenants:of")),
    ],
    "journal": [("relative/path", Path("relative/path")), ("/a b", Path("/a b"))],
    "ledger": [("/var/ledger", Path("/var/ledger"))],
    "book": [("prices.toml", Path("prices.toml"))],
    "overlays": [("own.toml, /etc/prices", (Path("own.toml"), Path("/etc/prices")))],
    "enabled": [
        *((text, True) for text in ("true", "1", "Yes", "ON", " true ")),
        *((text, False) for text in ("false", "0", "no", "Off", "FALSE")),
    ],
    "record_unsampled": [("false", False)],
    "personal_labels": [("true", True)],
    "attributes": [
        ("full", ("full",)),
        (" default , mlflow,", ("default", "mlflow")),
        ("off", ("off",)),
    ],
    "egress_hosts": [("gw.example.com, .internal,", ("gw.example.com", ".internal"))],
    "stream_usage_hosts": [("gw.example.com, .internal,", ("gw.example.com", ".internal"))],
    "hosts": [("gw.a=openai, .gpu.b=vllm,", ("gw.a=openai", ".gpu.b=vllm"))],
    "baggage": [("shop.region,shop.tier", ("shop.region", "shop.tier"))],
    "token_keys": [(_KEY_TEXT, _KEYS)],
    "token_audience": [("prod-eu", "prod-eu")],
    "token_expires_s": [("3600", 3_600)],
    "forward_baggage": [("flag, *", ("flag", "*"))],
    "tasks": [("request", "request"), ("follow", "follow")],
    "queue_arguments": [("send", "send"), ("read", "read")],
    "local_queues": [("false", False), ("on", True)],
    "stale_after_s": [("0", 0), (" 60 ", 60)],
    "stale_book_days": [("30", 30)],
    "reload_every_s": [("0", 0), ("60", 60)],
    "journal_access": [("owner", "owner"), ("group", "group")],
    "journal_limit_mib": [("0", 0), ("512", 512)],
    "journal_full": [("block", "block"), ("refuse", "refuse")],
    "journal_block_s": [("0", 0), ("30", 30)],
    "registry": [("/srv/places", Path("/srv/places"))],
    "strict": [("raise", "raise"), ("off", "off")],
    "starts": [("streams", "streams"), ("all", "all"), ("off", "off")],
    "fsync": [("on", True)],
    "quiet": [("1", True)],
    "gate": [
        ("http://gate:8080", "http://gate:8080"),
        (" https://gate.example.com/budgets/ ", "https://gate.example.com/budgets"),
    ],
    "gate_token": [("s3cret", "s3cret")],
    "gate_timeout_ms": [("250", 250)],
    "gate_wait_s": [("0", 0), ("30", 30)],
    "gate_down": [("open", "open"), ("closed", "closed")],
    "durability": [("process", "process"), ("pod", "pod"), ("node", "node")],
    "ship_to": [
        ("http://127.0.0.1:4319/", Address("http://127.0.0.1:4319", "127.0.0.1", 4319)),
        ("https://ledger/x", Address("https://ledger/x", "ledger", 443, True, "/x")),
        ("http://[::1]", Address("http://[::1]", "::1", 80)),
        ("unix:///run/a.sock", Address("unix:///run/a.sock", unix="/run/a.sock")),
    ],
    "ship_token": [("s3cret", "s3cret")],
    "ship_token_file": [("/run/token", Path("/run/token"))],
    "ship_ca": [("ca.pem", Path("ca.pem"))],
    "ship_cert": [("own.pem", Path("own.pem"))],
    "ship_key": [("own.key", Path("own.key"))],
    "flush": [("response", "response"), ("off", "off")],
    "flush_timeout_ms": [("500", 500)],
}
BAD: dict[str, list[str]] = {
    "tenant": ["header", "header:", ":x", "headr:x-org-id", "x-org-id", " "],
    "enabled": ["perhaps", "2", "tru"],
    "record_unsampled": ["all"],
    "attributes": ["sparkling", "default,sparkling", "Default", "off,sparkling"],
    "hosts": ["gw.example.com", "gw.example.com=", "=openai", "https://gw/=openai", "a=b=c"],
    "token_audience": ["prod~eu", "x" * 65],
    "token_expires_s": ["an hour"],
    "tasks": ["Follow", "keep"],
    "queue_arguments": ["Send", "write"],
    "local_queues": ["some"],
    "stale_after_s": ["-5", "1.5", "five", "1e3", "²", "9" * 5_000],
    "stale_book_days": ["a month"],
    "reload_every_s": ["0.5"],
    "journal_access": ["0640", "everybody"],
    "journal_limit_mib": ["64 MiB", "-1"],
    "journal_full": ["Block", "drop"],
    "journal_block_s": ["0.5"],
    "strict": ["true", "Raise", "warn"],
    "starts": ["Streams", "true"],
    "fsync": ["sometimes"],
    "personal_labels": ["some"],
    "quiet": ["loud"],
    "gate": [
        "gate:8080",
        "http://",
        "ftp://gate",
        "http://name:word@gate",
        "http://gate?x=1",
        "http://gate:port",
        "http://[",
    ],
    "gate_timeout_ms": ["1s"],
    "gate_wait_s": ["-1"],
    "gate_down": ["Open", "lease"],
    "durability": ["Pod", "zone", "true"],
    "ship_to": [
        "ledger:4319",
        "http://",
        "unix://run/a.sock",
        "unix:///",
        "http://name:word@ledger",
        "https://ledger?x=1",
        "http://ledger:port",
        "grpc://ledger",
    ],
    "flush": ["true", "always"],
    "flush_timeout_ms": ["1s", "-1"],
}
PAIRS_GOOD = [(name, *pair) for name, pairs in GOOD.items() for pair in pairs]
PAIRS_BAD = [(name, text) for name, texts in BAD.items() for text in texts]


@pytest.mark.parametrize(("name", "text", "value"), PAIRS_GOOD)
def test_a_good_value_is_taken_and_its_origin_told(name: str, text: str, value: Any) -> None:
    loaded = load_settings({_env(name): text})
    assert (getattr(loaded.settings, name), loaded.problems) == (value, ())
    assert loaded.origins[name] == _env(name)
    assert {origin for key, origin in loaded.origins.items() if key != name} == {"default"}


@pytest.mark.parametrize(("name", "text"), PAIRS_BAD, ids=lambda value: value[:12])
def test_a_bad_value_is_one_problem_with_a_remedy_and_the_default_holds(
    name: str, text: str
) -> None:
    loaded = load_settings({_env(name): text})
    assert loaded.settings == DEFAULTS
    assert loaded.origins[name] == "default"
    [problem] = loaded.problems
    message = str(problem)
    assert _env(name) in message and text[:50] in message and "the environment" in message
    assert len(message) < 700 and "\n" not in message
    assert re.search(r"use .+; until then the default holds", problem.remedy), problem.remedy


def test_one_bad_value_spoils_no_other() -> None:
    loaded = load_settings({_env("fsync"): "x", _env("quiet"): "x", _env("baggage"): "a"})
    assert [problem.what.split()[0] for problem in loaded.problems] == [
        _env("quiet"),
        _env("fsync"),
    ]
    assert loaded.settings.baggage == ("a",)


def test_an_empty_variable_is_not_set() -> None:
    loaded = load_settings({row.env: "" for row in SETTINGS})
    assert loaded.settings == DEFAULTS
    assert set(loaded.origins.values()) == {"default"}


def test_the_table_is_complete_and_short_enough_for_a_newcomer() -> None:
    assert [row.name for row in SETTINGS] == list(Settings._fields)
    assert set(GOOD) == set(Settings._fields)
    assert sum(row.newcomer for row in SETTINGS) <= 10
    assert all(row.doc and "\n" not in row.doc for row in SETTINGS)


def test_the_documented_defaults_are_the_defaults() -> None:
    for row in SETTINGS:
        assert row.parse(row.default) == getattr(DEFAULTS, row.name)
        if not row.default:
            assert not getattr(DEFAULTS, row.name)


def test_what_only_the_ledgers_commands_read_is_set_likewise() -> None:
    found = read_ledger_settings(
        {
            _env("contracts"): "contracts.toml",
            _env("journals"): "/a, b",
            _env("tenants"): "tenants.toml",
            _env("sinks"): "otlp, parchment",
            _env("metric_series"): "50",
            _env("gate_store"): "redis://localhost/0",
            _env("quiet"): "x",
        }
    )
    assert found.values == {
        "contracts": Path("contracts.toml"),
        "journals": (Path("/a"), Path("b")),
        "tenants": Path("tenants.toml"),
        "sinks": ("otlp", "parchment"),
        "metric_series": 50,
        "gate_store": "redis://localhost/0",
    }
    assert found.problems == ()
    assert not {row.name for row in LEDGER_SETTINGS} & {row.name for row in SETTINGS}


def test_the_variables_of_opentelemetry_instrument_are_those_of_the_table() -> None:
    for module in (environment_variables, launcher):
        named = {name for name in dir(module) if name.startswith("OTEL_")}
        assert named == {row.env for row in (*SETTINGS, *LEDGER_SETTINGS)}
        assert all(getattr(module, name) == name for name in named)


@pytest.mark.parametrize(
    ("name", "text", "value"), [pair for pair in PAIRS_GOOD if pair[0] != "token_keys"]
)
def test_code_gives_text_or_the_value_itself(name: str, text: str, value: Any) -> None:
    assert getattr(replace_settings(DEFAULTS, {name: text}), name) == value
    assert getattr(replace_settings(DEFAULTS, {name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *PAIRS_BAD,
        ("tenant", 7),
        ("tenant", {"header": "x"}),
        ("enabled", 2),
        ("attributes", ("default", "sparkling")),
        ("stale_after_s", -5),
        ("stale_after_s", 1.5),
        ("journal", 3.0),
        ("baggage", object()),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_bad_value_in_code_raises_and_says_where(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"setting {name}.*install.*use "):
        replace_settings(DEFAULTS, {name: value})


def test_an_unknown_setting_in_code_raises_and_names_the_known_ones() -> None:
    match = r"unknown setting: 'tennant'.*install.*write tenant; known: tenant, journal"
    with pytest.raises(ConfigurationError, match=match):
        replace_settings(DEFAULTS, {"tennant": "header:x"})


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_in_code_is_the_default_again(nothing: Any) -> None:
    base = DEFAULTS._replace(tenant=TenantSource("header", "x"), quiet=True, journal=Path("j"))
    found = replace_settings(base, {"tenant": nothing, "journal": nothing})
    assert found == DEFAULTS._replace(quiet=True)


def test_the_journal_is_in_the_ledgers_home_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "t"))
    own = tmp_path / "state" / "otel-genai-cost" / "journal"
    assert DEFAULTS.journal_folders[0] == own
    assert DEFAULTS.home == own.parent
    home = DEFAULTS._replace(ledger=Path("/l"))
    assert (home.home, home.journal_folders[0]) == (Path("/l"), Path("/l/journal"))
    both = DEFAULTS._replace(ledger=Path("/l"), journal=Path("/j"))
    assert both.journal_folders[:2] == (Path("/j"), own)
    assert both.journal_folders[2].parent == tmp_path / "t"
