"""`install()` and `attach()` say what they take, so that an editor completes it and type checkers refuse a typo.

mypy reports an ignore comment that ignores nothing: those below hold the errors to be there.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_genai_cost import attach, install
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import Options, Settings
from otel_genai_cost.tenancy.edge import TenantSource


def test_every_option_is_a_key_of_the_definition_and_a_setting() -> None:
    assert list(get_type_hints(Options)) == list(Settings._fields)
    for function in (install, attach):
        assert get_type_hints(function)["options"].__args__ == (Options,)


def test_an_unknown_name_is_a_type_error_and_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"unknown setting: 'tenat'.*write tenant; known"):
        install(tenat="header:x")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    with pytest.raises(ConfigurationError, match=r"unknown setting: 'egress_host'.*egress_hosts"):
        attach(TracerProvider(), egress_host="gw")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def test_a_value_of_another_type_is_a_type_error_and_says_what_to_use() -> None:
    with pytest.raises(ConfigurationError, match=r"setting tasks.*use request or follow"):
        install(tasks="keep")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(
        ConfigurationError, match=r"setting stale_after_s.*use text instead of a float"
    ):
        install(stale_after_s=1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_what_only_the_ledgers_commands_read_is_none_of_an_applications() -> None:
    with pytest.raises(ConfigurationError, match="unknown setting: 'contracts'"):
        install(contracts="c.toml")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def test_text_and_values_are_taken(tmp_path: Path) -> None:
    text = Options(
        quiet=True, tenant="header:x-org", journal=str(tmp_path), egress_hosts="gw,.internal"
    )
    values = Options(
        quiet=True,
        tenant=TenantSource("header", "x-org"),
        journal=tmp_path,
        egress_hosts=["gw", ".internal"],
    )
    for options in (text, values):
        provider = TracerProvider()
        processor = attach(provider, **options)
        assert processor is not None
        assert attach(provider) is processor
        provider.shutdown()
