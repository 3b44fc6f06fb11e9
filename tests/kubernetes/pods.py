"""Containers of the manifests, run as a kubelet would run them, without a cluster: with the manifest's arguments and
variables, as a user that nobody has heard of, without a capability, and with nothing to write to but the volumes.

What a container has at `/var/lib/genai-cost` stands in a folder of the test, its ports are free ones of this host, and
the names of services are theirs. It may read what this host's root may, since Python itself is kept there.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.demo.processes import Child, Children, wait_until
from tests.demo.stage import clean_environment
from tests.kubernetes.dockerfile import Image

__all__ = ["USER", "Cluster", "Running"]

USER: Final = 1_000_650_000
"""As OpenShift gives them out: of the namespace's range, in the group of root."""

_AS_A_CONTAINER: Final = (
    "mount --bind $0 $0 && mount -o remount,bind,ro / && exec setpriv "
    f"--reuid={USER} --regid=0 --clear-groups --no-new-privs --inh-caps=-all,+dac_read_search "
    '--ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search "$@"'
)


class Running(NamedTuple):
    """A container that runs.

    Attributes:
        child: its process.
        at: `host:port` of each of its ports, by name.
        volumes: where each of its volumes is.
        spec: what the manifest says of it.
    """

    child: Child
    at: Mapping[str, str]
    volumes: Mapping[str, Path]
    spec: Mapping[str, Any]

    def is_well(self, probe: str) -> bool:
        """Ask what the kubelet asks."""
        asked = self.spec[probe]["httpGet"]
        try:
            with urlopen(f"http://{self.at[asked['port']]}{asked['path']}", timeout=10) as answer:
                return bool(answer.status == 200)
        except (HTTPError, URLError, ConnectionError):
            return False


class Cluster:
    """Nothing but this host.

    Args:
        folder: for what containers write.
        secrets: by name, the files that each has.
        started: what ends with the test.
    """

    def __init__(
        self, folder: Path, secrets: Mapping[str, Mapping[str, str]], started: Children
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root may give a process another user and a root that is read-only")
        self._folder, self._secrets, self._started = folder, secrets, started
        self._services: dict[str, str] = {}

    def names(self, service: str, address: str) -> None:
        """Let a name be an address: `HOST:PORT`, both."""
        self._services[service] = address

    def run(self, owner: Mapping[str, Any], image: Image, tree: Path) -> Running:
        """Start the first container of an object's pod, and wait until its startup probe succeeds.

        Args:
            owner: a StatefulSet, DaemonSet or Deployment.
            image: what its image is.
            tree: the image's files, where they are here.
        """
        pod, name = owner["spec"]["template"]["spec"], owner["metadata"]["name"]
        spec = pod["containers"][0]
        home = self._folder / name
        claims = owner["spec"].get("volumeClaimTemplates", ())
        kinds = {each["name"]: each for each in pod["volumes"]}
        volumes = {
            each: self._volume(home, each, kinds.get(each, {}))
            for each in {*kinds, *(claim["metadata"]["name"] for claim in claims)}
        }
        at = {each["name"]: f"127.0.0.1:{_free_port()}" for each in spec["ports"]}
        here = {
            **{f"0.0.0.0:{each['containerPort']}": at[each["name"]] for each in spec["ports"]},
            **{
                f"{each['mountPath']}/": f"{volumes[each['name']]}/"
                for each in spec["volumeMounts"]
            },
            **self._services,
        }
        said = {each["name"]: _replaced(each["value"], here) for each in spec["env"]}
        environment = {**_of(image, tree, volumes["tmp"]), **said}
        program = str(tree / "bin" / image.entrypoint[0])
        arguments = [_replaced(each, here) for each in spec["args"]]
        command = ["unshare", "--mount", "--propagation=private", "sh", "-c", _AS_A_CONTAINER]
        log = self._folder / f"{name}-{len(self._started)}.log"
        child = self._started.start(
            name, [*command, str(home), program, *arguments], log, environment
        )
        running = Running(child, at, volumes, spec)
        wait_until(lambda: running.is_well("startupProbe"), f"{name} to start", 60, [child])
        return running

    def _volume(self, home: Path, name: str, kind: Mapping[str, Any]) -> Path:
        folder = home / name
        if not folder.exists():
            folder.mkdir(parents=True)
            folder.chmod(0o2775)
        for file, content in self._secrets.get(
            kind.get("secret", {}).get("secretName"), {}
        ).items():
            (folder / file).write_text(content, encoding="utf-8")
        return folder


def _of(image: Image, tree: Path, tmp: Path) -> dict[str, str]:
    """The image's variables."""
    place = image.taken[0]
    said = {
        name: str(tmp) if value == "/tmp" else value.replace(place, str(tree))
        for name, value in image.environment.items()
    }
    own = clean_environment()
    return {**said, "PATH": f"{said['PATH']}:{own['PATH']}", "TMPDIR": str(tmp)}


def _replaced(text: str, here: Mapping[str, str]) -> str:
    there = sorted(here, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, there)), lambda found: here[found[0]], text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
