"""How long the API server waits for the admission webhook; then it goes on without, and a change stays unmarked."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.applying import Kubectl
from tests.support.cluster import Cluster

_SHIPPED_S = 2
_PATIENT_S = 15

_KNOWN_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.1
_LOOKS = 3


def be_patient(cluster: Cluster, timeout_s: int = _PATIENT_S) -> None:
    """Let it wait so long at each call, for tests of what the webhook says; their machine may stand still meanwhile."""
    kubectl = Kubectl(cluster, "gloo-system")
    for kind in ("mutatingwebhookconfiguration", "validatingwebhookconfiguration"):
        entries = kubectl.get(kind, "serin-webhook")["webhooks"]
        patch = [
            {"op": "replace", "path": f"/webhooks/{index}/timeoutSeconds", "value": timeout_s}
            for index in range(len(entries))
        ]
        kubectl("patch", kind, "serin-webhook", "--type=json", "-p", json.dumps(patch))


def wait_until_steady(what: str, is_so: Callable[[], bool]) -> None:
    """Look until it is so several times in a row: what a write leads to at the webhook and in the API server."""
    give_up_at_s, times = time.monotonic() + _KNOWN_WITHIN_S, 0
    while times < _LOOKS:
        is_late = time.monotonic() > give_up_at_s
        times = times + 1 if is_so() else 0
        assert times or not is_late, f"not for {_LOOKS} looks in a row: {what}"
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def patience(cluster: Cluster) -> Iterator[None]:
    """Let it wait longer than users' API servers do, as long as the block lasts."""
    try:
        be_patient(cluster)
        yield
    finally:
        be_patient(cluster, _SHIPPED_S)
