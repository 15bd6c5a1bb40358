"""What of Serin is installed, and where: found once, and used by every check."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cli.cluster.access import Access
from cli.cluster.resources import CANARIES, METRIC_TEMPLATES
from cli.doctor.finding import Unread
from cli.doctor.reader import Reader
from kube.resource import DEPLOYMENTS, Object, Objects, Resource
from service.installation import AGENT, DEFAULT_NAMESPACE, lease_name, shard_leases, waiting_lease

_LISTED: Final = frozenset({"flagger-namespace", "gateway-namespaces"})
"""Flags that may be given several times; of any other the last one counts."""

_NAME_LABEL: Final = "app.kubernetes.io/name"


@dataclass(frozen=True, slots=True)
class Agent:
    """A Deployment of the agent, and its flags."""

    deployment: Object
    flags: Mapping[str, str]

    @property
    def namespace(self) -> str:
        """Return where it runs."""
        return str(self.deployment["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Return the Deployment's name."""
        return str(self.deployment["metadata"]["name"])

    @property
    def watches(self) -> str:
        """Return the namespace that it is limited to, empty for none."""
        return self.flags.get("namespace", "")

    @property
    def lease_namespace(self) -> str:
        """Return where its Lease is."""
        return self.flags.get("leader-election-namespace") or DEFAULT_NAMESPACE

    @property
    def lease(self) -> str:
        """Return the name of its Lease."""
        return lease_name(self.watches, self.lease_namespace)

    @property
    def shards(self) -> int:
        """Return how many leaders share the namespaces."""
        said = self.flags.get("shards", "")
        return max(int(said), 1) if said.isdecimal() else 1

    @property
    def leases(self) -> tuple[str, ...]:
        """Return the names of all Leases that it needs rights to."""
        shards = shard_leases(self.lease, self.shards)
        return shards if self.shards == 1 else (self.lease, *shards, waiting_lease(self.lease))

    @property
    def has_lease(self) -> bool:
        """Return whether it leads by a Lease."""
        is_off = self.flags.get("enable-leader-election", "").lower() in {"false", "0", "f"}
        return not is_off and "no-enable-leader-election" not in self.flags

    @property
    def gateway_namespaces(self) -> tuple[str, ...]:
        """Return the namespaces whose pods count for the builtin checks; none is all."""
        return tuple(filter(None, self.flags.get("gateway-namespaces", "").split(",")))

    def looks_after(self, namespace: str) -> bool:
        """Return whether canaries of a namespace are its own."""
        return self.watches in {"", namespace}


@dataclass(frozen=True, slots=True)
class Installation:
    """`canaries` and `templates` are those of `scope`, a namespace, None: of all. `kubectl` begins each command."""

    reader: Reader
    scope: str | None
    kubectl: str
    agents: tuple[Agent, ...]
    unread_agents: Unread | None
    canaries: Objects | Unread
    templates: Objects | Unread

    @property
    def namespace(self) -> str:
        """Return where Serin is installed, its default where it is not."""
        return self.agents[0].namespace if self.agents else DEFAULT_NAMESPACE

    @property
    def gateways(self) -> tuple[str, ...]:
        """Return the namespaces of Gloo's proxies."""
        named = dict.fromkeys(one for agent in self.agents for one in agent.gateway_namespaces)
        return tuple(named) or (self.namespace,)

    @property
    def known_canaries(self) -> Objects:
        """Return the canaries, none where they could not be read."""
        return [] if isinstance(self.canaries, Unread) else self.canaries


async def find(access: Access) -> Installation:
    """Look for the agent and the canaries."""
    reader = Reader(access.client)
    agents, canaries, templates = await asyncio.gather(
        labelled(reader, DEPLOYMENTS, AGENT),
        reader.list(CANARIES, access.namespace),
        reader.list(METRIC_TEMPLATES),
    )
    return Installation(
        reader=reader,
        scope=access.namespace,
        kubectl=f"kubectl{access.options.as_arguments()}",
        agents=() if isinstance(agents, Unread) else tuple(Agent(one, flags_of(one)) for one in agents),
        unread_agents=agents if isinstance(agents, Unread) else None,
        canaries=canaries,
        templates=templates,
    )


async def labelled(reader: Reader, resource: Resource, name: str) -> Objects | Unread:
    """Return the objects with a name of ours, of all namespaces, or of ours alone where only that may be read."""
    found = await reader.list(resource, labels=f"{_NAME_LABEL}={name}")
    if not isinstance(found, Unread):
        return found
    return await reader.list(resource, DEFAULT_NAMESPACE, labels=f"{_NAME_LABEL}={name}")


def flags_of(deployment: Object) -> dict[str, str]:
    """Return the flags of a Deployment's first container: `--name=value`, `--name value`, and `-name=value`."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    words = [*(containers[0].get("command") or ()), *(containers[0].get("args") or ())]
    found: dict[str, str] = {}
    for place, word in enumerate(words):
        if not word.startswith("-"):
            continue
        name, is_valued, value = word.lstrip("-").partition("=")
        following = words[place + 1] if place + 1 < len(words) else ""
        said = value if is_valued else ("" if following.startswith("-") else following)
        found[name] = f"{found[name]},{said}" if name in _LISTED and name in found else said
    return found


def image_of(deployment: Object) -> str:
    """Return the image of a Deployment's first container."""
    containers: list[dict[str, Any]] = deployment["spec"]["template"]["spec"].get("containers") or [{}]
    return str(containers[0].get("image") or "")


def ready_pods(deployment: Object) -> tuple[int, int]:
    """Return how many pods of a Deployment are ready, and how many there should be."""
    wanted = (deployment.get("spec") or {}).get("replicas", 1)
    return int((deployment.get("status") or {}).get("readyReplicas") or 0), int(wanted)
