"""What the cluster's agent has counted of the revisions that it found."""

import re
import time
import urllib.request

from tests.support.cluster import Cluster

_REACHED_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.2


def detected(cluster: Cluster, by: str) -> int:
    """Return how many it found by `admission`, `watch` or `resync` since it was started."""
    found = re.search(rf'^serin_revisions_detected_total{{by="{by}"}} (\S+)$', metrics(cluster), re.MULTILINE)
    return int(float(found[1])) if found else 0


def metrics(cluster: Cluster) -> str:
    """The agent's /metrics; its Service finds an agent that has just started a moment after it is ready."""
    give_up_at_s = time.monotonic() + _REACHED_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"{cluster.endpoints['agent']}/metrics", timeout=20) as answer:  # noqa: S310  ours
                text: str = answer.read().decode()
                return text
        except OSError:
            if time.monotonic() > give_up_at_s:
                raise
        time.sleep(_LOOK_EVERY_S)
