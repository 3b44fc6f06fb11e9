"""Files of the pages' access: keys that are made, changed and forgotten, and who may see what."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.errors import AccessError, ConfigurationError
from otel_genai_cost.pages.access.keys import KeyFile, watched_keys
from otel_genai_cost.pages.access.options import (
    AccessOptions,
    ProxyOptions,
    access_options,
)
from otel_genai_cost.pages.access.sessions import link_text, viewer_of_link
from otel_genai_cost.pages.access.signed import Signer
from otel_genai_cost.pages.access.who import Row
from tests.pages.signing import NOW_US

_SECRET: Final = "a secret of some length"


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "home" / "keys.json"
    KeyFile(path).ensure(NOW_US)
    first = KeyFile(path).read()
    KeyFile(path).ensure(NOW_US)
    assert KeyFile(path).read() == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["keys.json"]


def test_a_new_key_signs_and_the_old_ones_hold_until_they_are_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = watched_keys(path, NOW_US)
    signer = Signer(keys, lambda: NOW_US)
    old = link_text(signer, "acme", 60)
    KeyFile(path).rotate(NOW_US, forget=False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    given = link_text(Signer(KeyFile(path).read, lambda: NOW_US), "acme", 60)
    assert viewer_of_link(signer, given) is not None  # of another process, at once
    assert viewer_of_link(signer, old) is not None
    for _ in range(5):
        KeyFile(path).rotate(NOW_US, forget=False)
    assert len(KeyFile(path).read()) == 3
    KeyFile(path).rotate(NOW_US, forget=True)
    assert viewer_of_link(signer, given) is None or keys()
    assert viewer_of_link(signer, given) is None


def test_a_new_key_is_at_no_time_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, put, modes = tmp_path / "keys.json", os.replace, list[int]()

    def watched(new: Path, to: Path) -> None:
        modes.append(stat.S_IMODE(new.stat().st_mode))
        put(new, to)

    monkeypatch.setattr(os, "replace", watched)
    KeyFile(path).rotate(NOW_US, forget=False)
    assert modes == [0o600]
    assert [one.name for one in tmp_path.iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"keys": 1}',
        '{"keys": [{"id": "a", "secret": "AA==", "made": "2026-01-01T00:00:00Z"}]}',
    ],
)
def test_a_file_that_is_none_of_keys(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="this is no file of keys"):
        watched_keys(path, NOW_US)


def test_a_file_of_keys_that_goes_leaves_those_in_use(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    keys = watched_keys(path, NOW_US)
    path.unlink()
    assert [len(keys()) for _ in range(3)] == [1, 1, 1]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file of keys"):
        KeyFile(tmp_path / "file" / "keys.json").rotate(NOW_US, forget=False)


_FILE: Final = """
public_url = "https://cost.example.com"
session = "8h"
embed = ["https://app.example.com"]

[oidc]
issuer = "https://login.example.com"
client_id = "genai-cost"
client_secret = "env:OIDC_SECRET"

[[who]]
claim = "groups"
has = "finance"
role = "finance"

[[who]]
claim = "tenant"
role = "tenant"
tenants_claim = "tenant"
"""


def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OIDC_SECRET", "x" * 20)
    path = tmp_path / "access.toml"
    path.write_text(_FILE)
    found = access_options(path)
    assert (found.session_s, found.embed) == (28_800, ("https://app.example.com",))
    assert found.oidc is not None
    assert found.oidc.client_secret == "x" * 20
    assert found.who == (
        Row("groups", "finance", "finance"),
        Row("tenant", None, "tenant", None, "tenant"),
    )
    assert (found.is_secure, "cost.example.com" in found.hosts) == (True, True)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"https://cost.example.com"', '"http://cost.example.com"', "public_url cannot be"),
        ('"https://cost.example.com"', '"https://x/path"', "public_url cannot be"),
        ('public_url = "https://cost.example.com"', "", "no public_url"),
        ('"8h"', '"8 days"', "session cannot be"),
        ('"8h"', '"8d"', "session cannot be"),
        ('"https://app.example.com"', '"*"', "embed cannot be"),
        ('"https://app.example.com"', "\"https://x; script-src 'unsafe-inline'\"", "embed cannot"),
        ('"https://login.example.com"', '"http://login.example.com"', "oidc.issuer cannot be"),
        ('client_id = "genai-cost"', "", "no oidc.client_id"),
        ('role = "finance"', 'role = "root"', "11: role cannot be 'root'"),
        ('tenants_claim = "tenant"', "", "16: no tenants"),
        ('tenants_claim = "tenant"', 'tenants = ["a b"]', "tenants cannot be 'a b'"),
        ('tenants_claim = "tenant"', 'tenants = ["unattributed"]', "tenants cannot be"),
        ('claim = "groups"', 'claims = "groups"', "no who.claims"),
        ("[oidc]", "[odic]", "no odic"),
        ('session = "8h"', 'session = "8h"\nsessions = 1', "no sessions"),
        ("[[who]]", "[[whom]]", "no who"),
        ("[oidc]", "[oidc", "not TOML"),
    ],
)
def test_a_broken_file_says_what_and_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, problem: str
) -> None:
    monkeypatch.setenv("OIDC_SECRET", "x" * 20)
    path = tmp_path / "access.toml"
    assert old in _FILE
    path.write_text(_FILE.replace(old, new))
    with pytest.raises(AccessError) as caught:
        access_options(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_too_large_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text(_FILE + "#" * (1 << 20))
    with pytest.raises(AccessError, match="larger than 1,048,576 bytes"):
        access_options(path)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    path.write_text(_FILE)
    with pytest.raises(ConfigurationError, match="no key"):
        access_options(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        access_options(tmp_path / "none.toml")


def test_a_proxy_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(_SECRET)
    path = tmp_path / "access.toml"
    proxy = f'[proxy]\nsecret = "file:{tmp_path}/secret"\nclaims = {{ user = "X-User" }}\n'
    row = '[[who]]\nclaim = "user"\nhas = "ada"\nrole = "finance"\n'
    path.write_text(proxy + row)
    assert access_options(path).proxy == ProxyOptions(_SECRET, "x-proxy-secret", {"user": "x-user"})
    (tmp_path / "secret").write_text("short")
    with pytest.raises(AccessError, match="characters of chance"):
        access_options(path)


def test_the_files_in_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "pages.md").read_text("utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", docs.partition("## Who sees what")[2], re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.setenv("OIDC_SECRET", "x" * 20)
    (tmp_path / "pages").write_text(_SECRET)
    found: list[AccessOptions] = []
    for block in blocks:
        path = tmp_path / "access.toml"
        path.write_text(block.replace("/run/secrets", str(tmp_path)))
        found.append(access_options(path))
    assert [row.role for row in found[0].who] == ["finance", "success", "tenant"]
    assert (found[0].session_s, found[0].embed) == (43_200, ("https://app.example.com",))
    assert found[1].proxy is not None
    assert found[1].proxy.claims["groups"] == "x-forwarded-groups"
