"""What may not happen to an agent under load: restarts, another holder of the Lease, lost events in its log."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

Kubectl = Callable[..., str]

_AGENT: Final = "app.kubernetes.io/name=serin-agent"
_LOST: Final = re.compile(r"event lost|events were not written")


@dataclass(frozen=True)
class Life:
    """The agent's life at one moment."""

    restarts: int
    lost_leases: int
    lost_events: int

    @classmethod
    def of(cls, kubectl: Kubectl) -> "Life":
        """Look at the pods, the Lease and the log."""
        pods = _read(kubectl, "pods", "-l", _AGENT)["items"]
        restarts = sum(one["restartCount"] for pod in pods for one in pod["status"]["containerStatuses"])
        transitions = _read(kubectl, "lease", "serin-agent")["spec"].get("leaseTransitions", 0)
        log = kubectl("-n", "gloo-system", "logs", "deployment/serin-agent")
        lost = re.findall(r"lease \S+: lost", log)
        return cls(restarts, max(transitions, len(lost)), len(_LOST.findall(log)))

    def losses_since(self, before: "Life") -> dict[str, int]:
        """Return what has happened since then."""
        return {
            "restarts": self.restarts - before.restarts,
            "lost_leases": self.lost_leases - before.lost_leases,
            "lost_events_logged": self.lost_events - before.lost_events,
        }


def _read(kubectl: Kubectl, *what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl("-n", "gloo-system", "get", *what, "-o", "json"))
    return found
