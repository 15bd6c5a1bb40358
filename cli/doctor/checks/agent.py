"""The agent: its pods, its version, its Lease, and the flags that decide what it sees."""

import asyncio
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from canary.api.image import parse_image
from cli.doctor.finding import Finding, Unread, counted, fault, first_of, ok, warning
from cli.doctor.installation import Agent, Installation, image_of, ready_pods
from kube.resource import LEASES, PODS, Object
from service.installation import AGENT, held_together, is_held_together, shard_leases
from service.version import serin_version

_PAGE: Final = "docs/how-to/programs.md#the-agent-is-down"
_DURATION_S: Final = 15.0
_CLOCKS_DIFFER_S: Final = 60.0
"""Between this machine and the agent's node."""


async def check_agent(serin: Installation) -> list[Finding]:
    """Check each agent, and that every canary has one."""
    if serin.unread_agents is not None:
        return [serin.unread_agents.of("the agent's Deployment")]
    if not serin.agents:
        return [fault("found no Deployment of the agent", f"{serin.kubectl} apply -k manifests/default", page=_PAGE)]
    findings = [finding for agent in serin.agents for finding in await _of_agent(serin, agent)]
    namespaces = {str(obj["metadata"]["namespace"]) for obj in serin.known_canaries}
    alone = sorted(one for one in namespaces if not any(agent.looks_after(one) for agent in serin.agents))
    if alone:
        agent = serin.agents[0]
        every = set_flag(serin, agent, "--namespace=")
        findings.append(fault(f"no agent looks after the canaries of {first_of(alone)}", every))
    return findings


async def _of_agent(serin: Installation, agent: Agent) -> list[Finding]:
    what, kubectl = f"{agent.namespace}/{agent.name}", f"{serin.kubectl} -n {agent.namespace}"
    names = (agent.lease, *shard_leases(agent.lease, agent.shards)) if agent.shards > 1 else (agent.lease,)
    pods, leases = await asyncio.gather(
        serin.reader.list(PODS, agent.namespace, labels=f"app.kubernetes.io/name={AGENT}"),
        asyncio.gather(*(serin.reader.get(LEASES, name, agent.lease_namespace) for name in names)),
    )
    found = _pods(agent, pods, what, kubectl)
    if ready_pods(agent.deployment)[1] == 0:
        return [found]  # of itself nobody holds the Lease then
    return [
        found,
        *_version(agent, what, kubectl),
        *(_lease(agent, name, lease, kubectl) for name, lease in zip(names, leases, strict=True) if agent.has_lease),
        *_flags(serin, agent),
    ]


def _pods(agent: Agent, pods: list[Object] | Unread, what: str, kubectl: str) -> Finding:
    ready, wanted = ready_pods(agent.deployment)
    if wanted == 0:
        return fault(f"{what} is scaled to 0", f"{kubectl} scale deployment/{agent.name} --replicas=1", page=_PAGE)
    where = f"of namespace {agent.watches}" if agent.watches else "of all namespaces"
    if ready >= wanted:
        return ok(f"{what} {image_of(agent.deployment)}: {ready}/{wanted} ready, for canaries {where}")
    why = "" if isinstance(pods, Unread) else first_of(sorted(filter(None, map(_trouble, pods))))
    commands = [f"{kubectl} describe pods -l app.kubernetes.io/name={AGENT}"]
    if why:
        commands.append(f"{kubectl} logs deployment/{agent.name} --previous --tail=20")
    found = f"{what}: {ready} of {wanted} pods ready" + (f" ({why})" if why else "")
    return (warning if ready else fault)(found, *commands, page=_PAGE)


def _trouble(pod: Mapping[str, Any]) -> str:
    """Return why a container of a pod does not run, in the kubelet's word."""
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        reason = ((one.get("state") or {}).get("waiting") or {}).get("reason")
        if reason:
            return f"{pod['metadata']['name']} {reason}"
    return ""


def _version(agent: Agent, what: str, kubectl: str) -> list[Finding]:
    tag, own = parse_image(image_of(agent.deployment)).tag, serin_version()
    if not (tag[:1].isdigit() and own[:1].isdigit()) or tag == own:  # a checkout is no version
        return []
    repository = parse_image(image_of(agent.deployment)).repository
    command = f"{kubectl} set image deployment/{agent.name} agent={repository}:{own}"
    return [warning(f"{what} is version {tag}, and this command {own}: use one of the agent's version, or", command)]


def _lease(agent: Agent, name: str, lease: Object | Unread | None, kubectl: str) -> Finding:
    what = f"Lease {agent.lease_namespace}/{name}"
    if isinstance(lease, Unread):
        return lease.of(what)
    restart = f"{kubectl} rollout restart deployment/{agent.name}"
    spec = (lease or {}).get("spec") or {}
    holder = spec.get("holderIdentity")
    if not holder:
        return fault(f"{what}: nobody holds it, so nothing is rolled out and nothing rolled back", restart, page=_PAGE)
    age_s = _age_s(spec.get("renewTime"))
    if age_s is None or age_s > float(spec.get("leaseDurationSeconds") or _DURATION_S) + _CLOCKS_DIFFER_S:
        since = "never" if age_s is None else f"{age_s:.0f} s ago"
        return fault(f"{what}: held by {holder}, renewed {since}", restart, page=_PAGE)
    is_common = name == agent.lease
    if is_common and holder != held_together(agent.shards) and (agent.shards > 1 or is_held_together(holder)):
        others = "those of another number or version"
        return warning(
            f"{what}: held by {holder}, so pods with --shards={agent.shards} wait until {others} are gone",
            f"{kubectl} get pods -l app.kubernetes.io/name={AGENT}",
            page="docs/operating/high-availability.md",
        )
    return ok(f"{what}: held by {holder}, renewed {max(age_s, 0):.0f} s ago")


def _age_s(moment: object) -> float | None:
    try:
        return time.time() - datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None


def _flags(serin: Installation, agent: Agent) -> list[Finding]:
    server, gateways = agent.flags.get("metrics-server", ""), agent.gateway_namespaces
    if not gateways:
        return [
            warning(
                "--gateway-namespaces is not set: the builtin checks count what any pod exports",
                set_flag(serin, agent, f"--gateway-namespaces={serin.namespace}"),
                page="docs/concepts/checks.md",
            )
        ]
    where = counted(len(gateways), "gateway namespace")
    return [ok(f"--metrics-server={server}, {where}: {first_of(gateways)}")]


def set_flag(serin: Installation, agent: Agent, argument: str) -> str:
    """Return the command that adds an argument; of two the last one counts."""
    patch = f'[{{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "{argument}"}}]'
    return f"{serin.kubectl} -n {agent.namespace} patch deployment {agent.name} --type=json -p '{patch}'"
