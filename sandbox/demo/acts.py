"""The guide's acts: what the user types, and how it has to end. One more act is one more entry of ACTS."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sandbox.demo.installs import LOAD_TESTER
from sandbox.demo.stage import Stage

GATEWAY = "http://gateway-proxy.gloo-system"

_OBJECTS = "deployment,hpa,service,virtualservice,routetable,upstream,canary"
_MIDWAY_PERCENT = 20
_PROMOTED = "Promotion completed! Scaling down podinfo.test"

Play = Callable[[Stage, str], Awaitable[None]]
"""Plays an act; it is given the path of the guide's Canary."""


async def _bootstrap(stage: Stage, canary: str) -> None:
    await stage.run("kubectl create ns test")
    await stage.run("kubectl -n test apply -k manifests/examples/podinfo")
    await stage.run(LOAD_TESTER[stage.install])
    await stage.run("kubectl apply -f manifests/examples/podinfo-virtualservice.yaml")
    await stage.run(f"kubectl apply -f {canary}")
    await stage.until_ended("Initialized", "Initialization done! podinfo.test")
    tester = "deployment flagger-loadtester is available"
    await stage.until(tester, lambda: tester in stage.texts("pods"))
    await stage.run(f"kubectl -n test get {_OBJECTS} -o name")


async def _promotion(stage: Stage, _: str) -> None:
    await stage.set_image("3.1.1")
    # As in CI: its exit code is 0 for promoted.
    await stage.run("serin status podinfo -n test --wait")
    await stage.until_ended("Succeeded", _PROMOTED)


async def _restart(stage: Stage, _: str) -> None:
    await stage.set_image("3.1.2")
    await stage.until_weight(_MIDWAY_PERCENT)
    await stage.set_image("3.1.3")
    await stage.until_ended("Succeeded", _PROMOTED)


async def _rollback(stage: Stage, _: str, *, tag: str, path: str, answer: int, from_percent: int) -> None:
    """Roll out a revision, and ask for `path` so that its checks fail once it has `from_percent` of the traffic."""
    await stage.set_image(tag)
    await stage.until_weight(from_percent)
    async with stage.requesting(GATEWAY + path, answer):
        await stage.until_ended("Failed", "Canary failed! Scaling down podinfo.test")
    scaled_down = "deployment podinfo to be scaled to zero"
    await stage.until(scaled_down, lambda: stage.deployments["podinfo"]["spec"].get("replicas") == 0)


async def _rollback_on_404s(stage: Stage, canary: str) -> None:
    check = {
        "name": "404s percentage",
        "templateRef": {"name": "not-found-percentage"},
        "thresholdRange": {"max": 5},
        "interval": stage.canary["spec"]["analysis"]["metrics"][0]["interval"],
    }
    patch = [{"op": "add", "path": "/spec/analysis/metrics/-", "value": check}]
    await stage.run("kubectl apply -f manifests/examples/not-found-percentage.yaml")
    await stage.run(f"kubectl -n test patch canary podinfo --type json --patch '{json.dumps(patch)}'")
    await _rollback(stage, canary, tag="3.1.6", path="/status/404", answer=404, from_percent=_MIDWAY_PERCENT)


async def _agent_killed(stage: Stage, _: str) -> None:
    await stage.set_image("3.1.7")
    await stage.until_weight(_MIDWAY_PERCENT)
    await stage.run("pkill --signal KILL --full '^python -m agent'")
    await stage.until_ended("Succeeded", _PROMOTED)
    await stage.run("kubectl -n gloo-system get pods -l app.kubernetes.io/name=serin-agent")


async def _broken_neighbour(stage: Stage, _: str) -> None:
    proxies = ".status.statuses.gloo-system.subresourceStatuses"
    warned = f"jsonpath='{{{proxies}.*.state}}'=Warning"
    await stage.run("kubectl apply -f sandbox/demo/broken-neighbour.yaml")
    # Shown as it was when it came: at the next change of anything Gloo empties it for a moment.
    shown = f"-o jsonpath='{{{proxies}.*.reason}}'"
    await stage.run(f"kubectl -n test wait routetable/podinfo --for={warned} --timeout=30s {shown}")
    await stage.set_image("3.1.8")
    await stage.until_ended("Succeeded", _PROMOTED)
    await stage.run("kubectl delete --wait=false -f sandbox/demo/broken-neighbour.yaml")


async def _undone(stage: Stage, _: str) -> None:
    await stage.run("serin undo podinfo -n test --now --yes")
    await stage.until_ended("Succeeded", "Promotion completed! Canary analysis was skipped for podinfo.test")
    await stage.run("serin history podinfo -n test")


async def _refused(stage: Stage, _: str) -> None:
    await stage.run("kubectl apply -f sandbox/demo/faulty-canary.yaml", is_refused=True)


_errors = partial(_rollback, tag="3.1.4", path="/status/500", answer=500, from_percent=_MIDWAY_PERCENT)
# From the first step on: Envoy gives out its histograms every 5 s only, so this fault shows later than the others.
_latency = partial(_rollback, tag="3.1.5", path="/delay/2", answer=200, from_percent=1)

ACTS: Mapping[str, tuple[str, Play]] = {
    "bootstrap": ("Bootstrap: Serin creates what the canary needs", _bootstrap),
    "promotion": ("Automated canary promotion", _promotion),
    "restart": ("A second change in the middle of a run", _restart),
    "rollback-500": ("Automated rollback: HTTP 500 errors", _errors),
    "rollback-latency": ("Automated rollback: high latency", _latency),
    "rollback-404": ("Custom metrics: rollback on HTTP 404 errors", _rollback_on_404s),
    "agent-killed": ("Beyond the guide: the agent is killed in the middle of a run", _agent_killed),
    "broken-neighbour": ("Beyond the guide: somebody else's route on the gateway is broken", _broken_neighbour),
    "undone": ("Beyond the guide: the release before is put back at once", _undone),
    "refused": ("Beyond the guide: a Canary with faults is refused", _refused),
}
