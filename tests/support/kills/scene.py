"""Where a case is played: a namespace with the canary `app`, and what people and services around it do."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from tests.support.gates import Gates
from tests.support.gloo_stopped import gloo_stopped
from tests.support.history import History
from tests.support.load import answer, virtual_service
from tests.support.mortal_agent import MortalAgent, pid_inside
from tests.support.receiver import Receiver
from tests.support.rollout import Rollouts, canary, podinfo

Object = dict[str, Any]

OLD, NEW = "3.1.0", "3.1.1"
THRESHOLD = 2

GOOD, BAD = "vector(1)", "vector(0)"
_REQUESTS = 'sum(envoy_cluster_upstream_rq_total{envoy_cluster_name=~"{{ namespace }}-app-canaryupstream-.*"})'
BAD_ONCE_USED = f"{_REQUESTS} == bool 0 or vector(1)"
"""A query that gives 1, and 0 as soon as the canary side got a request."""

_UP_WITHIN_S = 120.0

# An agent waits for an acknowledgement that comes after some 1.6 s; some of its lives begin and end in this time.
_SILENT_S = 8.0


@dataclass(frozen=True)
class Hook:
    """A webhook named like its type. `receiver` says yes at once; the load tester's gates are shut until opened."""

    kind: str
    service: Literal["receiver", "gate", "rollback"] = "receiver"


@dataclass(frozen=True)
class Call:
    """A hook was called, at a time in seconds since the epoch. `message`: an event hook's."""

    at_s: float
    kind: str
    message: str = ""


@dataclass(frozen=True)
class Scene:
    rollouts: Rollouts
    history: History
    hooks: Sequence[Hook]

    def set_up(self, agent: MortalAgent, analysis: Object, query: str) -> float:
        """Bring a healthy canary up, by an agent that nobody kills, until the gateway serves it.

        The checks of its analysis pass where the query gives 1. Gives the seconds that the agent needed from its start
        to its first write.
        """
        if any(hook.service == "receiver" for hook in self.hooks):
            self._receiver.start()
        own = {"name": "own", "templateRef": {"name": "own"}, "thresholdRange": {"min": 1}, "interval": "10s"}
        rate = {"name": "request-success-rate", "thresholdRange": {"min": 99}, "interval": "10s", "onNoData": "pass"}
        fixed = {
            "threshold": THRESHOLD,
            "metrics": [rate, own],
            "webhooks": [self._webhook(hook) for hook in self.hooks],
        }
        target = podinfo("app", replicas=2, tag=OLD)
        target["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "conf"}}]
        around = _conf(OLD), _template(query), virtual_service(self.rollouts.namespace)
        self.rollouts.apply(*around, target, canary("app", fixed | analysis))
        with agent.running() as process:
            pid_inside(process)
            started_s = time.monotonic()
            self.history.wait_for("the first write", lambda: bool(self.history.status))
            boot_s = time.monotonic() - started_s
            self.history.wait_for(
                "the canary is initialized", lambda: self.history.phase == "Initialized", _UP_WITHIN_S
            )
            self.rollouts.wait_for("the gateway serves it", lambda: bool(self.ask()))
        return boot_s

    def ask(self) -> Object:
        """What the application says of itself to one more user."""
        return answer(self.rollouts.cluster, self.rollouts.namespace)

    def change_image(self) -> None:
        self.rollouts.set_image("app", NEW)

    def change_config(self) -> None:
        self.rollouts.apply(_conf(NEW))

    def turn_bad(self) -> None:
        """Let every check fail from now on."""
        self.rollouts.apply(_template(BAD))

    def prune_status(self) -> None:
        """Lose what the status has of ours, as where Flagger's own CRD is applied for a moment."""
        without = json.dumps([{"op": "remove", "path": "/status/serin"}])
        patch = ("patch", "canary", "app", "--subresource=status", "--type=json", f"--patch={without}")
        self.rollouts.cluster.kubectl("-n", self.rollouts.namespace, *patch)

    def silence_gateway(self) -> None:
        """Take the gateway's control plane away for a while; it serves on what it served."""
        with gloo_stopped(self.rollouts.cluster):
            time.sleep(_SILENT_S)  # the length of the fault: nothing is waited for

    def open_gate(self) -> None:
        self._gates.post("gate/open")

    def open_rollback_gate(self) -> None:
        self._gates.post("rollback/open")

    def calls(self) -> list[Call]:
        """Every call of a hook."""
        found = []
        for service in {hook.service for hook in self.hooks}:
            kinds = [hook.kind for hook in self.hooks if hook.service == service]
            if service == "receiver":
                received = self._receiver.all_calls()
                found += [Call(at_s, kind, _message(body)) for at_s, kind, body in received if kind in kinds]
            else:
                found += [Call(at_s, kind) for kind in kinds for at_s, _ in self._gates.checks(service)]
        return sorted(found, key=lambda call: call.at_s)

    def _webhook(self, hook: Hook) -> Object:
        return self._receiver.hook(hook.kind) if hook.service == "receiver" else self._gates.hook(hook.kind)

    @cached_property
    def _gates(self) -> Gates:
        return Gates(self.rollouts)

    @cached_property
    def _receiver(self) -> Receiver:
        return Receiver(self.rollouts)


def _message(body: Object) -> str:
    return str((body.get("metadata") or {}).get("eventMessage", ""))


def _conf(message: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "conf"},
        "data": {"PODINFO_UI_MESSAGE": message},
    }


def _template(query: str) -> Object:
    provider = {"type": "prometheus", "address": "http://flagger-prometheus.gloo-system:9090"}
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "MetricTemplate",
        "metadata": {"name": "own"},
        "spec": {"provider": provider, "query": query},
    }
