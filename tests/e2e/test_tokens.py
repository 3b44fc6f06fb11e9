"""Tokens through a queue that upstream instruments: an application at the edge signs, a Celery worker verifies, and
knows no other word on tenants."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from otel_genai_cost.journal.observation import Observation
from tests.demo.processes import ROOT, wait_until
from tests.demo.traffic import Action, send
from tests.e2e.rig import Rig

_SEED: Final = bytes(range(7, 39))
_PUBLIC: Final = Ed25519PrivateKey.from_private_bytes(_SEED).public_key().public_bytes_raw()
_WORKER: Final = (
    *(
        "celery",
        "--app",
        "tests.demo.worker:queue",
        "worker",
        "--pool",
        "solo",
        "--loglevel",
        "INFO",
    ),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)
_FORGED: Final = """
from tests.demo.worker import summarise
summarise.apply_async(args=["forged", None], headers={"baggage": "tenant.id=victim,genai_cost.feature=x"})
summarise.apply_async(args=["bare", None])
"""


def _key(algorithm: str, secret: bytes) -> str:
    return f"e1:{algorithm}:{base64.b64encode(secret).decode()}"


def test_a_worker_believes_what_the_edge_has_signed_and_no_forgery(rig: Rig) -> None:
    common = {
        "DEMO_QUEUE": str(rig.folder / "queue"),
        "OTEL_PROPAGATORS": "tracecontext,genai_cost",
    }
    program = Path(sys.executable).with_name
    verifies = {
        **common,
        "OTEL_SERVICE_NAME": "worker",
        "OTEL_GENAI_COST_TOKEN_KEYS": _key("ed25519-public", _PUBLIC),
    }
    worker = rig.start_command("worker", [str(program(_WORKER[0])), *_WORKER[1:]], verifies)
    signs = {
        **common,
        "OTEL_SERVICE_NAME": "app",
        "OTEL_GENAI_COST_TOKEN_KEYS": _key("ed25519", _SEED),
        "OTEL_GENAI_COST_TENANT": "header:x-org-id",
    }
    uvicorn = [str(program("uvicorn")), "tests.demo.app:api", "--port", "0"]
    app = rig.start_command("app", uvicorn, signs)
    url = app.find(r"running on (http://\S+)")
    worker.find(r"celery@\S+ ready")
    for tenant in ("acme", None, "globex"):
        assert send(url, tenant, Action("/documents", f"of {tenant}")).status == 200
    subprocess.run(
        [sys.executable, "-c", _FORGED], cwd=ROOT, env=rig.environment(common), check=True
    )
    worked = wait_until(lambda: _of("worker", rig, 10), "the worker's calls", 60, (worker, app))
    whose = Counter((each.attribution.tenant, each.attribution.source) for each in worked)
    assert whose == {("acme", "token"): 2, ("globex", "token"): 2, (None, None): 6}
    assert {each.attribution.labels.get("feature") for each in worked} == {"documents", None}
    asked = Counter(each.attribution.tenant for each in _of("app", rig, 3) or ())
    assert asked == {"acme": 1, "globex": 1, None: 1}


def _of(service: str, rig: Rig, count: int) -> list[Observation] | None:
    """The calls of a service, once there are as many."""
    found = [each for each in rig.observations(torn=True) if each.origin.service == service]
    return found if len(found) >= count else None
