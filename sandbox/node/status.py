"""A pod's status as a kubelet writes it, built from what is known about its containers. Pure: no clock, no I/O."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.node.quantity import parse_quantity


@dataclass
class ContainerRecord:
    """What there is to tell about one container; `state` and `last_state` are as in the API."""

    name: str
    image: str
    state: dict[str, Any] = field(default_factory=lambda: {"waiting": {"reason": "PodInitializing"}})
    last_state: dict[str, Any] = field(default_factory=dict)
    restart_count: int = 0
    is_ready: bool = False
    is_started: bool = False
    container_id: str = ""
    is_sidecar: bool = False

    @property
    def is_running(self) -> bool:
        return "running" in self.state

    @property
    def exit_code(self) -> int | None:
        """The exit code while it is terminated, else None."""
        code: int | None = self.state.get("terminated", {}).get("exitCode")
        return code

    @property
    def is_done(self) -> bool:
        """As an init container: completed; a sidecar is done once it has started for the first time."""
        if self.is_sidecar:
            return self.is_started or "terminated" in self.state or bool(self.last_state)
        return self.exit_code == 0

    def render(self) -> dict[str, Any]:
        known = bool(self.container_id)
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"sandbox://{self.image}" if known else "",
            "containerID": self.container_id,
            "state": self.state,
            "lastState": self.last_state,
            "restartCount": self.restart_count,
            "ready": self.is_ready,
            "started": self.is_started,
        }


@dataclass
class PodRecord:
    """All that the node knows about one pod; `start_time` is an RFC 3339 time."""

    init_containers: list[ContainerRecord]
    containers: list[ContainerRecord]
    start_time: str
    host_ip: str
    pod_ip: str = ""
    failure: tuple[str, str] | None = None  # reason and message of a pod that the node itself ended


def build_status(pod: dict[str, Any], record: PodRecord, now: str) -> dict[str, Any]:
    """Return the whole status. Conditions keep their times while their status stays, others' conditions are kept."""
    phase = _phase(pod["spec"].get("restartPolicy", "Always"), record)
    status: dict[str, Any] = {
        "phase": phase,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "conditions": _conditions(pod, record, phase, now),
        "hostIP": record.host_ip,
        "hostIPs": [{"ip": record.host_ip}],
        "startTime": record.start_time,
        "qosClass": quality_of_service(pod["spec"]),
        "containerStatuses": [container.render() for container in record.containers],
    }
    if record.init_containers:
        status["initContainerStatuses"] = [_render_init(container) for container in record.init_containers]
    if record.pod_ip:
        status |= {"podIP": record.pod_ip, "podIPs": [{"ip": record.pod_ip}]}
    if record.failure:
        status["reason"], status["message"] = record.failure
    return status


def _render_init(record: ContainerRecord) -> dict[str, Any]:
    """Return an init container's status: a completed one counts as ready."""
    return record.render() | {"ready": record.is_ready or (record.exit_code == 0 and not record.is_sidecar)}


def quality_of_service(spec: dict[str, Any]) -> str:
    """Return Guaranteed, Burstable or BestEffort, by the kubelet's rules for cpu and memory."""
    containers = [*spec["containers"], *spec.get("initContainers", ())]
    resources = [container.get("resources", {}) for container in containers]
    if not any(_amounts(entry, kind) for entry in resources for kind in ("requests", "limits")):
        return "BestEffort"
    for entry in resources:
        limits = _amounts(entry, "limits")
        if set(limits) != {"cpu", "memory"} or (limits | _amounts(entry, "requests")) != limits:
            return "Burstable"
    return "Guaranteed"


def _amounts(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    wanted = resources.get(kind) or {}
    amounts = {name: parse_quantity(str(wanted[name])) for name in ("cpu", "memory") if name in wanted}
    return {name: amount for name, amount in amounts.items() if amount}


def _phase(restart_policy: str, record: PodRecord) -> str:
    """Return the phase, as the kubelet's getPhase."""
    if record.failure:
        return "Failed"
    if not all(container.is_done for container in record.init_containers):
        is_lost = restart_policy == "Never" and any(container.exit_code for container in record.init_containers)
        return "Failed" if is_lost else "Pending"
    containers = record.containers
    if any("waiting" in container.state and not container.last_state for container in containers):
        return "Pending"
    if any(container.is_running for container in (*containers, *record.init_containers)) or restart_policy == "Always":
        return "Running"
    if all(container.exit_code == 0 for container in containers):
        return "Succeeded"
    return "Failed" if restart_policy == "Never" else "Running"


def _conditions(pod: dict[str, Any], record: PodRecord, phase: str, now: str) -> list[dict[str, Any]]:
    written = pod.get("status", {}).get("conditions", [])
    ready = _judge_readiness(record.containers, phase)
    ours = {
        "PodReadyToStartContainers": ("True" if record.pod_ip else "False", "", ""),
        "Initialized": _judge_initialized(record.init_containers, phase),
        "Ready": _judge_gates(pod, written) if ready[0] == "True" else ready,
        "ContainersReady": ready,
    }
    conditions = [condition for condition in written if condition["type"] not in ours]
    previous = {condition["type"]: condition for condition in written}
    for kind, (value, reason, message) in ours.items():
        condition = {"type": kind, "status": value, "observedGeneration": pod["metadata"].get("generation", 1)}
        if reason:
            condition["reason"] = reason
        if message:
            condition["message"] = message
        before = previous.get(kind, {})
        is_same = before.get("status") == value
        condition["lastTransitionTime"] = before["lastTransitionTime"] if is_same else now
        conditions.append(condition | {"lastProbeTime": None})
    return conditions


def _judge_readiness(containers: list[ContainerRecord], phase: str) -> tuple[str, str, str]:
    if phase in ("Succeeded", "Failed"):
        return "False", {"Succeeded": "PodCompleted", "Failed": "PodFailed"}[phase], ""
    unready = [container.name for container in containers if not container.is_ready]
    if unready:
        return "False", "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"
    return "True", "", ""


def _judge_initialized(containers: list[ContainerRecord], phase: str) -> tuple[str, str, str]:
    if phase == "Succeeded":
        return "True", "PodCompleted", ""
    incomplete = [container.name for container in containers if not container.is_done]
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        return "False", "ContainersNotInitialized", message
    return "True", "", ""


def _judge_gates(pod: dict[str, Any], written: list[dict[str, Any]]) -> tuple[str, str, str]:
    open_gates = {condition["type"] for condition in written if condition["status"] == "True"}
    for gate in pod["spec"].get("readinessGates", ()):
        if gate["conditionType"] not in open_gates:
            message = (
                f'corresponding condition of pod readiness gate "{gate["conditionType"]}" does not exist or is False'
            )
            return "False", "ReadinessGatesNotReady", message
    return "True", "", ""
