"""`genai-cost serve` to others than this machine, and its links: what it refuses, and a real server that does so."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.serve.pages import registry_of
from otel_genai_cost.pages.access.keys import KEYS_FILE, KeyFile
from otel_genai_cost.pages.access.options import LOCAL_ACCESS
from tests import certificates
from tests.cli.command import PROGRAM, run
from tests.cli.two_at_once import two_at_once
from tests.pages.crowd import OWN, crowd, name_of

_SECRET: Final = "a secret of some length"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = crowd(tmp_path_factory.mktemp("home"))
    made.close()
    return made.home


@contextmanager
def _served(home: Path, *options: str) -> Generator[str]:
    """The address that a server of these pages says."""
    command = [PROGRAM, "serve", "--ledger", str(home), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            assert process.wait(30) == 0


def test_a_registry_that_is_a_query_is_asked_again(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export, clock_us = tmp_path / "customers.csv", [0]

    def called(name: str) -> None:
        export.write_text(f"tenant,from,zone,name\nt1,2026-01-01,UTC,{name}\n", encoding="utf-8")

    called("One")
    query = tmp_path / "tenants.sql"
    query.write_text(f"FROM read_csv('{export}', all_varchar = true)", encoding="utf-8")
    monkeypatch.setenv("OTEL_GENAI_COST_TENANTS", str(query))
    registry = registry_of(Home.at(home), LOCAL_ACCESS, lambda: clock_us[0])

    def soon(name: str) -> bool:
        """Within so many looks, each of which may begin another question."""
        for _ in range(3_000):
            if registry().rows[0].words["name"] == name:
                return True
            time.sleep(0.01)
        return False

    assert soon("One")
    called("Two")
    clock_us[0] = 61_000_000
    assert soon("Two")


def _refused(*options: str) -> str:
    done = run("serve", *options)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "cost.example.com"])
def test_nobody_is_served_elsewhere_without_saying_who(home: Path, host: str) -> None:
    said = _refused("--ledger", str(home), "--host", host)
    assert "nobody is asked who they are" in said
    assert host in said
    assert "--access" in said


def test_keys_that_are_made_at_once_all_hold(home: Path) -> None:
    path = home / KEYS_FILE
    file = KeyFile(path)
    file.ensure(1_000_000)
    (old,) = file.read()
    rotate = ("serve", "rotate-keys", "--ledger", str(home))
    assert two_at_once(path, rotate, rotate) == [0, 0]
    assert (len(file.read()), file.read()[-1]) == (3, old)
    assert two_at_once(path, rotate, (*rotate, "--forget")) == [0, 0]
    assert len(file.read()) == 1


def test_what_is_wrong_with_the_file_is_said_at_once(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "access.toml"
    assert "cannot be read" in _refused("--ledger", str(home), "--access", str(path))
    path.write_text('public_url = "https://cost.example.com"\n')
    done = run("serve", "--ledger", str(home), "--access", str(path))
    assert done.returncode == 2
    assert "no provider" in done.stderr
    assert "no who" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--tenant", "a b"), "this is no tenant's id"),
        (("--tenant", "unattributed"), "this is no tenant's id"),
        (("--tenant", "acme", "--for", "2d"), "not a length of time"),
        (("--tenant", "acme", "--for", "25h"), "longer than a day"),
        (("--tenant", "acme", "--for", "0m"), "not a length of time"),
    ],
)
def test_links_that_are_not_made(home: Path, options: tuple[str, ...], said: str) -> None:
    assert said in _refused("link", "--ledger", str(home), *options)


def test_a_link_of_the_command_opens_the_page_of_a_server(home: Path) -> None:
    with _served(home, "--port", "0") as address:
        made = run("serve", "link", "--tenant", OWN, "--url", address, "--ledger", str(home))
        page = httpx.get(made.stdout.strip())
        assert page.status_code == 200
        assert "Zqname00" in page.text or OWN in page.text
        assert name_of(1) not in page.text
        assert (
            name_of(1) in httpx.get(f"{address}?period=all&format=csv").text
        )  # whoever is on the machine
        assert httpx.get(address, headers={"host": "evil.example"}).status_code == 421
        run("serve", "rotate-keys", "--forget", "--ledger", str(home))
        codes = {httpx.get(made.stdout.strip()).status_code for _ in range(4)}
        assert 403 in codes
        again = run("serve", "link", "--tenant", OWN, "--url", address, "--ledger", str(home))
        assert httpx.get(again.stdout.strip()).status_code == 200
    assert len(KeyFile(home / KEYS_FILE).read()) == 1


def test_a_server_behind_a_proxy_that_says_who(home: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(_SECRET)
    path = tmp_path / "access.toml"
    path.write_text(
        'public_url = "https://cost.example.com"\n'
        f'[proxy]\nsecret = "file:{tmp_path}/secret"\n'
        'claims = { user = "x-user", tenant = "x-tenant" }\n'
        '[[who]]\nclaim = "user"\nhas = "ada"\nrole = "finance"\n'
        '[[who]]\nclaim = "tenant"\nrole = "tenant"\ntenants_claim = "tenant"\n'
    )
    (tmp_path / "cert.pem").write_bytes((made := certificates.made()).certificate)
    (tmp_path / "key.pem").write_bytes(made.key)
    tls = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ("--host", "0.0.0.0", "--port", str(port))
    trust = ssl.create_default_context(cadata=made.certificate.decode())
    with (
        _served(home, *where, "--access", str(path), *tls) as address,
        httpx.Client(base_url=f"https://localhost:{port}", verify=trust) as client,
    ):
        assert address == "https://cost.example.com/"
        by_proxy = {"host": "cost.example.com", "x-proxy-secret": _SECRET}
        assert client.get("/").status_code == 401
        assert client.get("/", headers={**by_proxy, "x-user": "eve"}).status_code == 403
        finance = client.get("/?period=all&format=csv", headers={**by_proxy, "x-user": "ada"})
        assert name_of(1) in finance.text
        mine = client.get("/own?period=all", headers={**by_proxy, "x-tenant": OWN})
        assert (mine.status_code, name_of(1) in mine.text) == (200, False)
        assert "Zqname" not in client.get("/healthz").text


def test_a_registry_that_is_broken_serves_nobody_who_sees_some_tenants_only(
    home: Path, tmp_path: Path
) -> None:
    (tmp_path / "tenants.toml").write_text("[[tenant]]\n")
    env = {"OTEL_GENAI_COST_TENANTS": str(tmp_path / "tenants.toml")}
    (tmp_path / "secret").write_text(_SECRET)
    path = tmp_path / "access.toml"
    path.write_text(
        f'[proxy]\nsecret = "file:{tmp_path}/secret"\nclaims = {{ user = "x-user" }}\n'
        '[[who]]\nclaim = "user"\nrole = "finance"\n'
    )
    done = run("serve", "--ledger", str(home), "--access", str(path), "--port", "0", env=env)
    assert done.returncode == 2
    assert "tenants.toml" in done.stderr
