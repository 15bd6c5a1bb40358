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


def wait_until_known(what: str, is_known: Callable[[], bool]) -> None:
    """Wait until the webhook says several times in a row that it knows: its two replicas learn by watches."""
    give_up_at_s, times = time.monotonic() + _KNOWN_WITHIN_S, 0
    while times < _LOOKS:
        times = times + 1 if is_known() else 0
        assert time.monotonic() < give_up_at_s, f"the webhook does not know of {what}"
        time.sleep(_LOOK_EVERY_S)


@contextmanager
def patience(cluster: Cluster) -> Iterator[None]:
    """Let it wait longer than users' API servers do, as long as the block lasts."""
    be_patient(cluster)
    try:
        yield
    finally:
        be_patient(cluster, _SHIPPED_S)
