"""What a cluster has, as the rules about other objects look it up: whether it is there, and whose it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

from canary.api.canary import Canary
from canary.api.names import apex_name, primary_name, service_names


class Owner(NamedTuple):
    """The Canary that controls an object, by the object's ownerReferences."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What one canary takes for itself in its namespace. `kind` and `target` are those of spec.targetRef.

    `scaler` is its autoscaler, as `{kind} {name}`, empty without one.
    """

    canary: str
    kind: str
    target: str
    apex: str
    scaler: str = ""

    @classmethod
    def of(cls, canary: Canary) -> Self:
        """Read the claim of a canary that parses."""
        reference, scaler = canary.spec.target_ref, canary.spec.autoscaler_ref
        scaler_name = "" if scaler is None else f"{scaler.kind} {scaler.name}"
        return cls(canary.name, reference.kind, reference.name, canary.apex_name, scaler_name)

    @classmethod
    def read(cls, obj: Mapping[str, Any]) -> Self | None:
        """Read the claim of a stored canary, None where it has no target or is being deleted."""
        metadata, spec = _part(obj, "metadata"), _part(obj, "spec")
        reference = _part(spec, "targetRef")
        name, target, kind = metadata.get("name"), reference.get("name"), reference.get("kind")
        if not (isinstance(name, str) and isinstance(target, str) and isinstance(kind, str)):
            return None
        if metadata.get("deletionTimestamp") is not None:
            return None
        service, scaler = _part(spec, "service").get("name"), _part(spec, "autoscalerRef")
        apex = apex_name(service if isinstance(service, str) else "", target)
        return cls(name, kind, target, apex, f"{scaler.get('kind')} {scaler.get('name')}" if scaler else "")

    @property
    def workloads(self) -> frozenset[str]:
        """Return the names of the two workloads, of the kind `kind`."""
        return frozenset({self.target, primary_name(self.target)})

    @property
    def services(self) -> frozenset[str]:
        """Return the names of the three generated services."""
        return frozenset(service_names(self.apex))


class Cluster(Protocol):
    """The objects that a cluster has, looked up from memory.

    Who implements it need not hold all of them: what it does not hold is not known, and nothing is wrong with it.
    """

    @property
    def allows_across(self) -> bool:
        """Return whether canaries may refer to objects in other namespaces than their own."""

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        """Return whether there is such an object, None where that is not known.

        Asked for are Deployment, DaemonSet, HorizontalPodAutoscaler, ScaledObject, Upstream, MetricTemplate and
        AlertProvider.
        """

    def port_names(self, kind: str, namespace: str, name: str) -> Iterable[str] | None:
        """Return the names of a workload's container ports, None where it is not there or not known."""

    def metric_template(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return a MetricTemplate as it is stored, None where it is not there or not known."""

    def claims(self, namespace: str) -> Iterable[Claim]:
        """Return what the canaries of a namespace claim (Claim.read of each), of every provider, the asking one too."""

    def owners(self, kind: str, namespace: str, name: str) -> Iterable[Owner]:
        """Return the Canaries that control an object, none where it is not there or its owners are not known."""


def container_port_names(workload: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the container ports that a Service can find in the pods of a Deployment or DaemonSet.

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


def _part(holder: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = holder.get(field)
    return found if isinstance(found, Mapping) else {}
