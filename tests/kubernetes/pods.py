"""Containers of the manifests, run as a kubelet would run them, without a cluster: with the manifest's arguments and
variables, as a user that nobody has heard of, without a capability, and with nothing to write to but the volumes.

What a container has at `/var/lib/genai-cost` stands in a folder of the test, its ports are free ones of this host, and
the names of services are theirs. It may read what this host's root may, since Python itself is kept there.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.demo.processes import Child, Children, wait_until
from tests.demo.stage import clean_environment
from tests.kubernetes.dockerfile import Image

__all__ = ["USER", "Cluster", "Program", "Running"]

USER: Final = 1_000_650_000
"""As OpenShift gives them out: of the namespace's range, in the group of root."""

_HOST: Final = "127.0.0.1"

_AS_A_CONTAINER: Final = (
    "for each in $0; do mount --bind $each $each || exit 1; done && mount -o remount,bind,ro / && exec setpriv "
    f"--reuid={USER} --regid=0 --clear-groups --no-new-privs --inh-caps=-all,+dac_read_search "
    '--ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search "$@"'
)


class Program(NamedTuple):
    """What an image runs, where it is here: the command before the manifest's arguments, and its variables."""

    command: tuple[str, ...]
    environment: Mapping[str, str]

    @classmethod
    def of(cls, image: Image, tree: Path) -> Program:
        """The entry point of an image.

        Args:
            image: what it is.
            tree: its files.
        """
        said = {
            name: value.replace(image.taken[0], str(tree))
            for name, value in image.environment.items()
        }
        said["PATH"] += os.pathsep + os.environ["PATH"]
        return cls((str(tree / "bin" / image.entrypoint[0]),), said)


class Running(NamedTuple):
    """A container that runs.

    Attributes:
        child: its process.
        at: `host:port` of each of its ports, by name.
        volumes: where each of its volumes is.
        spec: what the manifest says of it.
        shut_in: the command that makes another process one of this container.
        environment: its variables.
    """

    child: Child
    at: Mapping[str, str]
    volumes: Mapping[str, Path]
    spec: Mapping[str, Any]
    shut_in: tuple[str, ...]
    environment: Mapping[str, str]

    def is_well(self, probe: str) -> bool:
        """Ask what the kubelet asks."""
        asked = self.spec[probe]["httpGet"]
        try:
            with urlopen(f"http://{self.at[asked['port']]}{asked['path']}", timeout=10) as answer:
                return bool(answer.status == 200)
        except (HTTPError, URLError, ConnectionError):
            return False

    def execute(self, *command: str) -> str:
        """What a command in the container says, as with `kubectl exec`."""
        done = subprocess.run(
            [*self.shut_in, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


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

    def run(
        self, owner: Mapping[str, Any], container: str, program: Program, pod: str = ""
    ) -> Running:
        """Start a container of an object's pod, and wait until its startup probe succeeds, if it has one.

        Args:
            owner: a StatefulSet, DaemonSet or Deployment.
            container: its name.
            program: what its image runs.
            pod: of several pods, which.
        """
        name = owner["metadata"]["name"] + pod
        described = owner["spec"]["template"]["spec"]
        spec = next(each for each in _containers(described) if each["name"] == container)
        home = self._folder / name
        volumes = self._volumes(home, owner)
        ports: Sequence[Mapping[str, Any]] = spec.get("ports", ())
        at = {each["name"]: f"{_HOST}:{_free_port()}" for each in ports}
        here = {
            **{f":{each['containerPort']}": at[each["name"]].removeprefix(_HOST) for each in ports},
            **{each["mountPath"]: str(volumes[each["name"]]) for each in spec["volumeMounts"]},
            **self._services,
        }
        environment = {
            **clean_environment(),
            **program.environment,
            **{each["name"]: _replaced(each["value"], here) for each in spec["env"]},
            "HOME": str(volumes["tmp"]),
            "TMPDIR": str(volumes["tmp"]),
        }
        shut_in = (
            *("unshare", "--mount", "--propagation=private", "sh", "-c", _AS_A_CONTAINER),
            " ".join(map(str, {home, *(each.parent for each in volumes.values())})),
        )
        arguments = [_replaced(each, here) for each in spec.get("args", ())]
        log = self._folder / f"{name}-{container}-{len(self._started)}.log"
        command = [*shut_in, *program.command, *arguments]
        child = self._started.start(f"{name}-{container}", command, log, environment)
        running = Running(child, at, volumes, spec, shut_in, environment)
        if "startupProbe" in spec:
            wait_until(lambda: running.is_well("startupProbe"), f"{name} to start", 150, [child])
        return running

    def _volumes(self, home: Path, owner: Mapping[str, Any]) -> dict[str, Path]:
        """A folder for each volume of a pod; secrets have their files in it."""
        of_pod = owner["spec"]["template"]["spec"]["volumes"]
        claims = owner["spec"].get("volumeClaimTemplates", ())
        found = {each["name"]: self._shared(each) or home / each["name"] for each in of_pod}
        found.update({each["metadata"]["name"]: home / each["metadata"]["name"] for each in claims})
        for folder in found.values():
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o2775)
        for each in of_pod:
            for file, content in self._files_of(each).items():
                (found[each["name"]] / file).write_text(content, encoding="utf-8")
        return found

    def _shared(self, volume: Mapping[str, Any]) -> Path | None:
        """Where a claim is that several pods may have at once."""
        claim = volume.get("persistentVolumeClaim")
        return self._folder / "claims" / claim["claimName"] if claim else None

    def _files_of(self, volume: Mapping[str, Any]) -> Mapping[str, str]:
        return self._secrets[volume["secret"]["secretName"]] if "secret" in volume else {}


def _containers(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from pod.get("initContainers", ())
    yield from pod["containers"]


def _replaced(text: str, here: Mapping[str, str]) -> str:
    there = sorted(here, key=len, reverse=True)
    whole = f"(?:{'|'.join(map(re.escape, there))})(?![\\w-])"
    return re.sub(whole, lambda found: here[found[0]], text)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
