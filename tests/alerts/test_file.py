"""Channels as people write them: every problem in one go, and nothing is set then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.alerts.file import WrittenChannel, channel_events, channels_in
from otel_genai_cost.errors import ChannelsError, ConfigurationError

_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_GOOD: dict[str, Any] = {
    "name": "ops",
    "kind": "webhook",
    "url": "https://hooks.example.com/x",
    "secrets": [_SECRET],
}


def _problems(**changed: Any) -> list[str]:
    written = {name: value for name, value in {**_GOOD, **changed}.items() if value is not None}
    try:
        channel_events([WrittenChannel(written, "f", 1)], 1)
    except ChannelsError as error:
        return [one.what for one in error.problems]
    return []


def test_a_file_becomes_events(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(
        f'[[channel]]\nname = "ops"\nkind = "webhook"\nurl = "http://10.0.0.1/"\nsecrets = ["{_SECRET}"]\n'
        'watchdog_s = 60\nkinds = ["crossed", "blocked"]\n\n'
        '[[channel]]\nname = "acme"\naudience = "tenant"\ntenant = "acme"\nkind = "webhook"\n'
        'url = "https://acme.example/hook"\nsecrets = ["file:/run/secrets/acme"]\n'
    )
    ops, acme = channel_events(channels_in(path), 7)
    assert ops["kinds"] == ["crossed", "blocked"]
    assert ops["settings"] == {"url": "http://10.0.0.1/", "secrets": [_SECRET], "watchdog_s": 60}
    assert (ops["audience"], ops["tenant"], ops["at_us"]) == ("team", None, 7)
    assert (acme["audience"], acme["tenant"]) == ("tenant", "acme")


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 65},
        {"name": None},
        {"name": 3},
        {"kind": "carrier pigeon"},
        {"kind": None},
        {"audience": "all"},
        {"tenant": "a b"},
        {"tenant": ""},
        {"audience": "tenant"},
        {"kinds": ["crossed", "anything"]},
        {"kinds": "crossed"},
        {"url": None},
        {"url": "ftp://x/"},
        {"url": "https://"},
        {"url": 3},
        {"url": "https://user:pass@x/"},
        {"url": "https://[::1/"},
        {"audience": "tenant", "tenant": "acme", "url": "http://acme.example/"},
        {"secrets": None},
        {"secrets": []},
        {"secrets": [_SECRET] * 3},
        {"secrets": ["whsec_c2hvcnQ="]},
        {"secrets": [_SECRET.removeprefix("whsec_")]},
        {"secrets": [3]},
        {"secrets": "x"},
        {"watchdog_s": 5},
        {"watchdog_s": True},
        {"watchdog_s": "60"},
        {"colour": "red"},
    ],
)
def test_what_cannot_be_used_is_named(changed: dict[str, Any]) -> None:
    assert len(_problems(**changed)) == 1


def test_all_problems_come_in_one_go() -> None:
    broken = WrittenChannel({"name": "a b", "kind": "webhook", "url": "x", "secrets": []}, "f", 3)
    good = WrittenChannel(_GOOD, "f", 9)
    with pytest.raises(ChannelsError) as caught:
        channel_events([broken, good, good], 1)
    assert [one.line for one in caught.value.problems] == [3, 3, 3, 9]
    assert _SECRET not in str(caught.value)


@pytest.mark.parametrize("text", ["[[channels]]", "channel = 3", "[[channel", "\xff", "x = 1"])
def test_what_is_no_file_of_channels(tmp_path: Path, text: str) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(text, "latin-1")
    with pytest.raises(ChannelsError):
        channels_in(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        channels_in(tmp_path / "no.toml")
