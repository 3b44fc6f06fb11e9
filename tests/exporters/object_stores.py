"""Object stores as processes of this machine: S3 by moto's server, Azure's blobs by Azurite. Google's emulator takes no
writes by XML, which obstore sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, NamedTuple

from tests.demo.processes import ROOT, wait_until
from tests.environments.made import python_with
from tests.queues.brokers import free_port

__all__ = ["OBJECT_STORES", "Bucket", "azure", "s3"]

_MOTO: Final = "moto[server] >= 5.1"
_AZURITE: Final = "azurite-3.35.0"
_ACCOUNT: Final = "devstoreaccount1"
_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
"""Azurite's own, in its documentation."""


class Bucket(NamedTuple):
    """A bucket that is empty: what a sink is told of it, and its server."""

    options: Mapping[str, str]
    server: subprocess.Popen[bytes]


@contextmanager
def s3() -> Generator[Bucket, None, None]:
    """A bucket of S3."""
    port = free_port()
    program = python_with(ROOT / "build" / "environments", _MOTO, ours=None)
    address = f"http://127.0.0.1:{port}"
    keys = {"access_key_id": "key", "secret_access_key": "word"}
    with _running([str(program.with_name("moto_server")), "-p", str(port)], port) as server:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/costs", method="PUT")):
            pass
        yield Bucket(
            {"to": "s3://costs/of/acme", "endpoint": address, "region": "us-east-1", **keys}, server
        )


@contextmanager
def azure() -> Generator[Bucket, None, None]:
    """A container of Azure's blob storage."""
    port = free_port()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    program = cache / "otel-genai-cost" / _AZURITE / "node_modules" / ".bin" / "azurite-blob"
    assert program.exists(), "Azure's emulator is not installed: run tests/services.sh"
    command = [str(program), "--silent", "--inMemoryPersistence", "--skipApiVersionCheck"]
    address = f"http://127.0.0.1:{port}/{_ACCOUNT}"
    with _running([*command, "--blobHost", "127.0.0.1", "--blobPort", str(port)], port) as server:
        _make_container(address)
        options = {"to": "az://costs/of/acme", "endpoint": address}
        yield Bucket({**options, "account_name": _ACCOUNT, "account_key": _KEY}, server)


OBJECT_STORES: Final = {"s3": s3, "azure": azure}


@contextmanager
def _running(command: list[str], port: int) -> Generator[subprocess.Popen[bytes], None, None]:
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            wait_until(lambda: _listens(port), "the object store listens", timeout_s=60)
            yield server
        finally:
            server.kill()


def _listens(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _make_container(address: str) -> None:
    at = datetime.now(timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    version = "2021-08-06"
    text = (
        "PUT" + "\n" * 12 + f"x-ms-date:{at}\nx-ms-version:{version}\n"
        f"/{_ACCOUNT}/{_ACCOUNT}/costs\nrestype:container"
    )
    digest = hmac.new(base64.b64decode(_KEY), text.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"{address}/costs?restype=container",
        method="PUT",
        headers={
            "x-ms-date": at,
            "x-ms-version": version,
            "Authorization": f"SharedKey {_ACCOUNT}:{base64.b64encode(digest).decode()}",
            "Content-Length": "0",
        },
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
