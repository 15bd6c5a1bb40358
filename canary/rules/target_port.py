"""The target port by name: pods that have no port of that name are behind no Service, ready as they may be."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from canary.api.canary import Canary
from canary.api.problems import Problem

_PATH: Final = "spec.service.targetPort"


def port_names(workload: Mapping[str, Any]) -> frozenset[str]:
    """Name the container ports that a Service can find in the pods of a Deployment or DaemonSet.

    Source: Kubernetes' `FindPort` looks at containers and at those init containers that run on beside them, and at
    ports of the Service's own protocol, which is TCP with us.
    """
    spec = workload["spec"]["template"]["spec"]
    sidecars = (one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always")
    return frozenset(
        port["name"]
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if port.get("name") and port.get("protocol", "TCP") == "TCP"
    )


def check_target_port(canary: Canary, workload: str, names: Iterable[str]) -> Iterator[Problem]:
    """See that a target port by name is one of `names`, the ports of the target or of its primary, `workload`."""
    port = canary.spec.service.target_port
    if isinstance(port, str) and port and port not in (known := sorted(names)):
        owner = f"{canary.spec.target_ref.kind or 'Deployment'} {workload}"
        allowed = f"a number, or the name of a container port of {owner} ({', '.join(known) or 'it names none'})"
        yield Problem(_PATH, port, allowed, is_warning=True)
