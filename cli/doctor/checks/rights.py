"""What the agent may do, asked of the API server as it would judge it, whatever role gives the right."""

import asyncio
from collections.abc import Iterator
from typing import Final, NamedTuple

from cli.doctor.finding import Finding, Unread, fault, first_of, ok, unknown
from cli.doctor.installation import Agent, Installation
from cli.doctor.reader import Reader
from kube.errors import Forbidden, KubeError
from kube.resource import SUBJECT_ACCESS_REVIEWS

_AT_ONCE: Final = 8
"""Each has a connection of its own, and to open one costs more than a review."""

_WRITTEN: Final = "list watch create patch"

NEEDED: Final = (
    ("flagger.app", "canaries", "list watch patch"),
    ("flagger.app", "canaries/status", "update"),
    ("flagger.app", "canaries/finalizers", "update"),
    ("flagger.app", "metrictemplates", "list watch"),
    ("flagger.app", "alertproviders", "list watch"),
    ("", "configmaps", "get create patch delete"),
    ("", "secrets", "get create patch delete"),
    ("apps", "deployments", _WRITTEN),
    ("apps", "daemonsets", _WRITTEN),
    ("apps", "replicasets", "list"),
    ("apps", "controllerrevisions", "list"),
    ("", "services", _WRITTEN),
    ("autoscaling", "horizontalpodautoscalers", f"{_WRITTEN} delete"),
    ("keda.sh", "scaledobjects", f"{_WRITTEN} delete"),
    ("gloo.solo.io", "upstreams", _WRITTEN),
    ("gateway.solo.io", "routetables", _WRITTEN),
    ("", "pods", "list watch"),
    ("", "events", "create patch"),
)
"""Group, resource, verbs: those of manifests/rbac/agent/cluster-role.yaml, which a test holds it to."""


class Right(NamedTuple):
    """A verb on a resource, of one object where it has a name; without a namespace in all of them."""

    group: str
    resource: str
    verb: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return it as it is read in a role."""
        return f"{self.verb} {self.resource}" + (f" in {self.namespace}" if self.namespace else "")


async def check_rights(serin: Installation) -> list[Finding]:
    """Check the rights of each agent's service account."""
    return [finding for agent in serin.agents for finding in await _of_agent(serin, agent)]


async def _of_agent(serin: Installation, agent: Agent) -> list[Finding]:
    account = agent.deployment["spec"]["template"]["spec"].get("serviceAccountName") or "default"
    user = f"system:serviceaccount:{agent.namespace}:{account}"
    wanted = list(_needed(agent))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def asked(right: Right) -> bool | Unread:
        async with turns:
            return await _may(serin.reader, user, right)

    answers = await asyncio.gather(*map(asked, wanted))
    unread = next((answer for answer in answers if isinstance(answer, Unread)), None)
    if unread is not None:
        return [unknown(f"what {user} may: {unread.why}", f"{serin.kubectl} auth can-i --list --as={user}")]
    missing = [right for right, answer in zip(wanted, answers, strict=True) if not answer]
    if missing:
        found = f"{user} may not {first_of(map(str, missing))}"
        return [fault(found, f"{serin.kubectl} apply -k manifests/rbac", page="docs/how-to/programs.md")]
    return [ok(f"{user} may all {len(wanted)} things that it needs")]


def _needed(agent: Agent) -> Iterator[Right]:
    tracking = agent.flags.get("config-tracking") or "referenced"
    for group, resource, verbs in NEEDED:
        needed = verbs.split()
        if (group, resource) in {("", "configmaps"), ("", "secrets")}:
            needed = _tracked(resource, needed, tracking)
        yield from (Right(group, resource, verb, agent.watches) for verb in needed)
    leases = "coordination.k8s.io", "leases"
    yield Right(*leases, "create", agent.lease_namespace)
    yield from (
        Right(*leases, verb, agent.lease_namespace, name) for name in agent.leases for verb in ("get", "update")
    )


def _tracked(resource: str, verbs: list[str], tracking: str) -> list[str]:
    if tracking == "watch":
        return ["list", "watch", *verbs]
    if tracking == "off":
        return ["get"] if resource == "secrets" else []
    return verbs


async def _may(reader: Reader, user: str, right: Right) -> bool | Unread:
    resource, _, subresource = right.resource.partition("/")
    attributes = {
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "verb": right.verb,
        "namespace": right.namespace,
        "name": right.name,
    }
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}", "system:authenticated"]
    given = {key: value for key, value in attributes.items() if value}
    body = {"metadata": {}, "spec": {"user": user, "groups": groups, "resourceAttributes": given}}
    try:
        answer = await reader.client.create(SUBJECT_ACCESS_REVIEWS, body)
    except Forbidden:
        return Unread("you may not create subjectaccessreviews")
    except KubeError as error:
        return Unread(error.message)
    return bool((answer.get("status") or {}).get("allowed"))
