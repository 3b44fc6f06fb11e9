"""`genai-cost prices …`: the price book as an operator looks at it, checks it and gets a new one."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from otel_genai_cost.pricing.load import load_book
from tests.certificates import made
from tests.cli.command import rows, run
from tests.ledger.rerating.test_terms import HALF, HOUSE
from tests.pricing.test_bundle import make_keys
from tests.reports.fixture import make_home


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house.toml"
    path.write_text(HOUSE)
    return path


class _Keys:
    def __init__(self, folder: Path) -> None:
        self.private, self.public = folder / "private.pem", folder / "public.pem"
        for path, pem in zip((self.private, self.public), make_keys(), strict=True):
            path.write_bytes(pem)


@pytest.fixture
def keys(tmp_path: Path) -> _Keys:
    return _Keys(tmp_path)


def test_list_is_what_is_in_force(house: Path) -> None:
    (row,) = rows("prices", "list", "--book", str(house), "--json")
    assert row["rates"]["input"] == {"price": "1", "per": 1_000_000}
    assert (row["from"], row["to"]) == ("2024-01-01T00:00:00Z", None)
    at = ("--at", "2023-12-31T23:59:59Z")
    assert rows("prices", "list", "--book", str(house), "--json", *at) == []
    every = rows("prices", "list", "--json", "--provider", "OpenAI")
    assert {row["provider"] for row in every} == {"openai"}


def test_show_takes_any_name() -> None:
    (shown,) = rows("prices", "show", "openai/gpt-4o", "--json")
    assert shown["model"] == "gpt-4o-2024-08-06"
    assert "gpt-4o" in shown["names"]
    assert all(row["model"] == shown["model"] for row in shown["prices"])


def test_history_shows_what_was_corrected(tmp_path: Path, house: Path) -> None:
    correction = HOUSE.split("[[price]]")[1].replace("input = 1", "input = 2")
    correction = correction.replace("recorded_at = 2026-11-01", "recorded_at = 2026-11-02")
    mark = 'supersedes = "openai/house-model@2024-01-01T00:00:00Z"\n'
    house.write_text(HOUSE + "[[price]]" + correction + mark)
    first, second = rows("prices", "history", "openai/house-model", "--book", str(house), "--json")
    assert first["superseded_by"] == second["price_id"]
    assert [row["rates"]["input"]["price"] for row in (first, second)] == ["1", "2"]


def test_diff_tells_each_rate_and_by_how_much(tmp_path: Path, house: Path) -> None:
    dearer = tmp_path / "dearer.toml"
    dearer.write_text(HOUSE.replace("input = 1", "input = 1.5"))
    (change,) = rows("prices", "diff", str(house), str(dearer), "--json")
    assert change["change"] == "changed"
    assert change["rates"] == {"input": {"old": "1", "new": "1.5", "percent": "50"}}
    assert rows("prices", "diff", str(house), str(house), "--json") == []


def test_stale_is_by_provider(house: Path) -> None:
    (age,) = rows("prices", "stale", "--book", str(house), "--json", "--days", "0")
    assert (age["provider"], age["rows"], age["newest"]) == ("openai", 1, "2026-11-01T00:00:00Z")
    (fresh,) = rows("prices", "stale", "--book", str(house), "--json", "--days", "99999")
    assert (age["days"] > 0, fresh["stale"]) == (age["stale"], False)


def test_validate_tells_every_problem(tmp_path: Path, house: Path) -> None:
    assert run("prices", "validate", str(house)).stdout == "no problem\n"
    broken = tmp_path / "broken.toml"
    broken.write_text(HOUSE.replace("input = 1", "inputt = 1") + "to = 2023-01-01T00:00:00Z\n")
    done = run("prices", "validate", str(house), str(broken))
    assert done.returncode == 1
    assert all(line.startswith(f"{broken}:") for line in done.stdout.splitlines())
    overlay = tmp_path / "overlay.toml"
    overlay.write_text('schema = "otel-genai-cost/1"\n[[price]]' + HOUSE.split("[[price]]")[1])
    assert run("prices", "validate", str(overlay)).returncode == 1
    env = {"OTEL_GENAI_COST_BOOK": str(house)}
    assert run("prices", "validate", "--overlay", str(overlay), env=env).returncode == 0
    contracts = tmp_path / "contracts.toml"
    contracts.write_text(HALF)
    assert run("prices", "validate", "--contracts", str(contracts)).returncode == 0


def test_impact_is_what_a_rerate_would_book(tmp_path: Path, house: Path) -> None:
    home = make_home(tmp_path / "home")
    (tmp_path / "half.toml").write_text(HALF)
    asked = ("--contracts", str(tmp_path / "half.toml"), "--ledger", str(home))
    found = rows("prices", "impact", *asked, "--json")
    told = {(row["tenant"], row["model"]): row for row in found}
    acme = told["acme", "gpt-4o-2024-08-06"]
    assert (acme["charges"], acme["changed"], acme["before"]) == (3, 2, "0.00636")
    assert (acme["after"], acme["difference"]) == ("0.00318", "-0.00318")
    env = {"OTEL_GENAI_COST_OVERLAYS": str(house)}
    (globex,) = [
        row
        for row in rows("prices", "impact", *asked, "--json", env=env)
        if row["tenant"] == "globex"
    ]
    assert globex["after"] == "0.0011"  # explained by itself, as the overlay was there


def _made(keys: _Keys, house: Path, folder: Path) -> Path:
    path = folder / "prices.bundle"
    done = run("prices", "lock", str(house), "--sign", str(keys.private), "--out", str(path))
    assert done.returncode == 0, done.stderr
    return path


def test_lock_is_the_canonical_book(tmp_path: Path, house: Path) -> None:
    out = tmp_path / "lock.json"
    done = run("prices", "lock", str(house), "--out", str(out))
    assert load_book(out).digest == load_book(house).digest
    assert done.stderr.startswith(load_book(house).digest)


def test_signed_bundle_is_fetched_and_used(tmp_path: Path, house: Path, keys: _Keys) -> None:
    bundle = _made(keys, house, tmp_path)
    asked = ("prices", "fetch", str(bundle), "--key", str(keys.public), "--json")
    (done,) = rows(*asked, "--into", str(tmp_path / "prices"))
    assert (done["kind"], done["changed"]) == ("book", True)
    env = {"OTEL_GENAI_COST_BOOK": done["path"]}
    (row,) = rows("prices", "list", "--json", env=env)
    assert row["model"] == "house-model"
    (again,) = rows(*asked, "--into", str(tmp_path / "prices"))
    assert again["changed"] is False


def test_contracts_travel_as_well(tmp_path: Path, keys: _Keys) -> None:
    contracts, bundle = tmp_path / "half.toml", tmp_path / "contracts.bundle"
    contracts.write_text(HALF)
    made = ("--contracts", "--sign", str(keys.private), "--out", str(bundle))
    assert run("prices", "lock", str(contracts), *made).returncode == 0
    into = ("--into", str(tmp_path / "in"))
    (done,) = rows("prices", "fetch", str(bundle), "--key", str(keys.public), "--json", *into)
    assert done["path"].endswith("contracts.json")
    home = make_home(tmp_path / "home")
    (row,) = rows(
        *("rerate", "--contracts-only", "--contracts", done["path"], "--dry-run", "--json"),
        *("--ledger", str(home)),
    )[:1]
    assert row["difference"].startswith("-")


def test_tampered_bundle_leaves_what_is_installed(tmp_path: Path, house: Path, keys: _Keys) -> None:
    bundle, into = _made(keys, house, tmp_path), tmp_path / "in"
    asked = ("prices", "fetch", str(bundle), "--into", str(into))
    (done,) = rows(*asked, "--key", str(keys.public), "--json")
    before = Path(done["path"]).read_bytes()
    bundle.write_bytes(bundle.read_bytes().replace(b'"input":"1"', b'"input":"0.1"'))
    other = tmp_path / "other.pem"
    other.write_bytes(make_keys()[1])
    for key in (keys.public, other):
        refused = run(*asked, "--key", str(key))
        assert refused.returncode == 2
        assert "the bundle is refused" in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert Path(done["path"]).read_bytes() == before


def test_signed_bundle_of_a_broken_book_is_refused(
    tmp_path: Path, house: Path, keys: _Keys
) -> None:
    from otel_genai_cost.pricing.bundle import pack

    bundle = tmp_path / "broken.bundle"
    payload = load_book(house).lock.replace(b'"output":"1"', b'"output":"-1"')
    bundle.write_bytes(
        pack(payload, kind="book", made_at_us=1, private_key=keys.private.read_bytes())
    )
    into = tmp_path / "in"
    done = run(*("prices", "fetch", str(bundle), "--key", str(keys.public), "--into", str(into)))
    assert done.returncode == 2
    assert not into.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--provider", "no-such"),
        ("list", "--at", "yesterday"),
        ("show", "openai/no-such"),
        ("history", "no-slash"),
        ("diff", "/no/such/book.json"),
        ("stale", "--days", "many"),
        ("validate", "/no/such/book.toml"),
        ("lock", "/no/such/book.toml"),
        ("lock", "--sign", "/no/such/key.pem"),
        ("lock", "--contracts"),
        ("lock", "--out", "/no/such/folder/lock.json"),
        ("fetch", "/no/such.bundle"),
        ("fetch", "/no/such.bundle", "--digest", "0" * 64),
        ("fetch", "https://127.0.0.1:1/x", "--digest", "0" * 64),
        ("impact", "--book", "/no/such/book.toml"),
        ("impact", "--contracts", "/no/such/contracts.toml"),
        ("no-such-command",),
    ],
    ids=" ".join,
)
def test_mistake_is_exit_2_and_one_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run("prices", *arguments, env={"XDG_STATE_HOME": str(tmp_path)})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


class _Store(BaseHTTPRequestHandler):
    """Answers GET with a file, as a web server and as S3 does."""

    content: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        _Store.asked.append(self.path)
        found = self.path.endswith("/prices.bundle")
        self.send_response(200 if found else 404)
        body = _Store.content if found else b"<Error><Code>NoSuchKey</Code></Error>"
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", format_datetime(datetime.now(timezone.utc), usegmt=True))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""


@contextmanager
def _served(bundle: Path, certificate: Path | None = None) -> Generator[int]:
    _Store.content = bundle.read_bytes()
    _Store.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _certificate(folder: Path) -> Path:
    """A key and a certificate that vouches for itself, in one file."""
    certificate = made()
    path = folder / "server.pem"
    path.write_bytes(certificate.key + certificate.certificate)
    return path


def test_bundle_over_http(tmp_path: Path, house: Path, keys: _Keys) -> None:
    with _served(_made(keys, house, tmp_path)) as port:
        asked = ("--key", str(keys.public), "--into", str(tmp_path / "in"), "--json")
        (done,) = rows("prices", "fetch", f"http://127.0.0.1:{port}/prices.bundle", *asked)
        assert done["changed"]
        missing = run("prices", "fetch", f"http://127.0.0.1:{port}/none", *asked)
    assert (missing.returncode, "404" in missing.stderr) == (2, True)
    gone = run("prices", "fetch", f"http://127.0.0.1:{port}/prices.bundle", *asked)
    assert (gone.returncode, len(gone.stderr.splitlines())) == (2, 1)
    assert load_book(Path(done["path"])).digest == done["digest"]


def test_bundle_over_https_from_a_server_that_is_trusted(
    tmp_path: Path, house: Path, keys: _Keys
) -> None:
    certificate = _certificate(tmp_path)
    with _served(_made(keys, house, tmp_path), certificate) as port:
        url = f"https://127.0.0.1:{port}/prices.bundle"
        asked = ("--key", str(keys.public), "--into", str(tmp_path / "in"))
        refused = run("prices", "fetch", url, *asked)
        assert (refused.returncode, "certificate" in refused.stderr.lower()) == (2, True)
        (done,) = rows(
            "prices", "fetch", url, *asked, "--json", env={"SSL_CERT_FILE": str(certificate)}
        )
    assert done["changed"]


def test_bundle_from_s3(tmp_path: Path, house: Path, keys: _Keys) -> None:
    with _served(_made(keys, house, tmp_path)) as port:
        env = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "eu-central-1",
        }
        asked = ("--key", str(keys.public), "--into", str(tmp_path / "in"), "--json")
        url = "s3://our-bucket/books/prices.bundle"
        (done,) = rows("prices", "fetch", url, *asked, env=env)
        assert _Store.asked == ["/our-bucket/books/prices.bundle"]
        missing = run("prices", "fetch", "s3://our-bucket/none", *asked, env=env)
    assert done["changed"]
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
