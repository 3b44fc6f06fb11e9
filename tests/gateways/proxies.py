"""Proxies as the files of `gateway-config/` make them, each started by the test, with the test's own ports."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.demo.processes import ROOT, Child, Children, wait_until
from tests.queues.brokers import answers, free_port

__all__ = ["CONFIG", "envoy", "nginx", "require"]

CONFIG: Final = ROOT / "gateway-config"
_STARTS_WITHIN_S: Final = 20.0


def require(program: str) -> str:
    """Where a program is; the test is skipped without it, but not in CI."""
    beside = Path(sys.executable).parent / program
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if beside.exists():
        return str(beside)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{program} is not installed; tests/services.sh does it")
        pytest.skip(f"needs {program}")
    return found


def envoy(
    family: Children,
    folder: Path,
    name: str,
    clusters: Mapping[str, int],
    change: Mapping[str, Any] | None = None,
    token: str = "",
    keys: Mapping[str, str] | None = None,
) -> tuple[Child, int]:
    """Envoy by a file of ours, with clusters at ports of this machine.

    Args:
        family: ends it.
        folder: of the test.
        name: of the file.
        clusters: port by name.
        change: of the filter that asks us, by key.
        token: of the gate's.
        keys: the tenants by their keys, in the place of the file's.

    Returns:
        Envoy, and the port where it listens.
    """
    program, port = require("envoy"), free_port()
    config: Any = yaml.safe_load((CONFIG / name).read_text("utf-8").replace("GATE_TOKEN", token))
    listener = config["static_resources"]["listeners"][0]
    listener["address"]["socket_address"]["port_value"] = port
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    for one in manager["http_filters"]:
        if keys is not None and one["name"] == "envoy.filters.http.api_key_auth":
            known = [{"key": key, "client": tenant} for key, tenant in keys.items()]
            one["typed_config"]["credentials"] = known
        if one["name"] in ("envoy.filters.http.ext_proc", "envoy.filters.http.ext_authz"):
            one["typed_config"].update(change or {})
    for cluster in config["static_resources"]["clusters"]:
        cluster.pop("transport_socket", None)
        cluster["type"] = "STATIC"
        endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
        endpoint["address"]["socket_address"] = {
            "address": "127.0.0.1",
            "port_value": clusters[cluster["name"]],
        }
    path = folder / f"{name}-{port}.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command = [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart"]
    own = {**os.environ, "OPENAI_API_KEY": "sk-provider", "ANTHROPIC_API_KEY": "sk-ant-provider"}
    child = family.start("envoy", [*command, "-l", "warning"], folder / f"envoy-{port}.log", own)
    wait_until(lambda: answers(port), f"envoy at {port}", _STARTS_WITHIN_S, family)
    return child, port


def nginx(
    family: Children, folder: Path, *, gate: int, provider: int, token: str
) -> tuple[Child, int]:
    """nginx by the file of ours.

    Args:
        family: ends it.
        folder: of the test.
        gate: the gate's port.
        provider: the provider's port.
        token: of the gate's.

    Returns:
        nginx, and the port where it listens.
    """
    program, port = require("nginx"), free_port()
    kept = "".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = (CONFIG / "nginx.conf").read_text("utf-8")
    for was, now in {
        "127.0.0.1:8080": f"127.0.0.1:{port}",
        "127.0.0.1:4180": f"127.0.0.1:{gate}",
        "https://api.openai.com": f"http://127.0.0.1:{provider}",
        "GATE_TOKEN": token,
        "PROVIDER_KEY": "sk-provider",
        "http {": f"http {{ access_log off; {kept}",
    }.items():
        assert was in text, f"nginx.conf has no {was}"
        text = text.replace(was, now)
    path = folder / f"nginx-{port}.conf"
    path.write_text(text, encoding="utf-8")
    more = f"daemon off; pid {folder}/nginx-{port}.pid; error_log stderr;"
    command = [program, "-c", str(path), "-p", str(folder), "-e", "stderr", "-g", more]
    child = family.start("nginx", command, folder / f"nginx-{port}.log", os.environ)
    wait_until(lambda: answers(port), f"nginx at {port}", _STARTS_WITHIN_S, family)
    return child, port
