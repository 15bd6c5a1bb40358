"""Flagger beside Serin: two controllers would undo each other's writes, so Serin waits for one that it trusts."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from canary.api.image import is_flaggers
from canary.api.parts import condition_of
from canary.run.status import READY
from cli.doctor.finding import Finding, Unread, fault, first_of, ok, unknown, warning
from cli.doctor.installation import Installation
from cli.doctor.reader import Reader
from kube.resource import DEPLOYMENTS, LEASES, Object
from service.installation import trusted_namespaces

_LEASE: Final = "flagger-leader-election"
_LABELS: Final = ("app.kubernetes.io/name=flagger", "app=flagger")
"""Of Flagger's chart and kustomization: all Deployments of a large cluster are too many to be read for this."""

_PAGE: Final = "docs/how-to/ready-blocked.md#flaggerrunning"
_STANDS_STILL: Final = "FlaggerRunning"


async def find_flaggers(reader: Reader, trusted: Collection[str]) -> tuple[list[Object], list[Unread]]:
    """Return the Deployments that run Flagger, with any labels in the trusted namespaces, and what was not read."""
    listed = await asyncio.gather(
        *(reader.list(DEPLOYMENTS, labels=labels) for labels in _LABELS),
        *(reader.list(DEPLOYMENTS, namespace) for namespace in sorted(trusted)),
    )
    found: dict[tuple[str, str], Object] = {}
    for objects in listed:
        for one in [] if isinstance(objects, Unread) else objects:
            if runs_flagger(one):
                found[one["metadata"]["namespace"], one["metadata"]["name"]] = one
    return [found[key] for key in sorted(found)], [one for one in listed if isinstance(one, Unread)]


def runs_flagger(deployment: Object) -> bool:
    """Return whether its pods have an image of Flagger's."""
    containers = deployment["spec"]["template"]["spec"].get("containers") or ()
    return any(is_flaggers(container.get("image") or "") for container in containers)


def trusted_by(serin: Installation) -> frozenset[str]:
    """Return where a Flagger holds everything up, for any of the agents."""
    own = [one for agent in serin.agents for one in (agent.namespace, agent.lease_namespace, agent.watches)]
    named = [one for agent in serin.agents for one in agent.flags.get("flagger-namespace", "").split(",")]
    return trusted_namespaces([serin.namespace, *own], named)


async def check_flagger(serin: Installation) -> list[Finding]:
    """Check whether a Flagger runs or holds its Lease, and what follows of it."""
    trusted = trusted_by(serin)
    (flaggers, unread), leases = await asyncio.gather(
        find_flaggers(serin.reader, trusted), serin.reader.list(LEASES, fields=f"metadata.name={_LEASE}")
    )
    running = [one for one in flaggers if (one.get("status") or {}).get("replicas")]
    held = [] if isinstance(leases, Unread) else [one for one in leases if _is_held(one)]
    findings = [finding for one in running for finding in _running(serin, one, trusted)]
    lone = [
        one for one in held if one["metadata"]["namespace"] not in {two["metadata"]["namespace"] for two in running}
    ]
    findings += [finding for one in lone for finding in _held(serin, one, trusted)]
    waiting = [
        one for one in serin.known_canaries if condition_of(one.get("status"), READY).get("reason") == _STANDS_STILL
    ]
    if waiting and not findings:
        names = first_of(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in waiting)
        found = f"{names} stood still for a Flagger that is gone: the agent has not noticed yet"
        findings.append(warning(found, page=_PAGE))
    if unread and not findings:
        return [unknown(f"whether a Flagger runs: {unread[0].why}")]
    stopped = [one for one in flaggers if one not in running]
    if not findings and stopped:
        return [ok(f"{_name(stopped[0])} is scaled to 0")]
    return findings or [ok("no Flagger runs")]


def _name(obj: Object) -> str:
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def _running(serin: Installation, deployment: Object, trusted: Collection[str]) -> list[Finding]:
    namespace, name = deployment["metadata"]["namespace"], deployment["metadata"]["name"]
    stop = f"{serin.kubectl} -n {namespace} scale deployment/{name} --replicas=0"
    if namespace in trusted:
        return [
            fault(f"Flagger runs ({namespace}/{name}): Serin stands still for it, in every canary", stop, page=_PAGE)
        ]
    found = f"Flagger runs ({namespace}/{name}) and Serin does not stand still for it: both write the same canaries"
    return [fault(found, stop, page=_PAGE)]


def _held(serin: Installation, lease: Object, trusted: Collection[str]) -> list[Finding]:
    namespace = lease["metadata"]["namespace"]
    if namespace not in trusted:
        return [
            warning(f"Lease {namespace}/{_LEASE} is held; Serin does not stand still for a Flagger there", page=_PAGE)
        ]
    delete = f"{serin.kubectl} -n {namespace} delete lease {_LEASE}"
    holder = lease["spec"]["holderIdentity"]
    found = f"Lease {namespace}/{_LEASE} is held by {holder}: Serin stands still until it ends, five minutes at most"
    return [fault(found, delete, page=_PAGE)]


def _is_held(lease: Object) -> bool:
    spec = lease.get("spec") or {}
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(str(spec.get("renewTime")))).total_seconds()
    except (TypeError, ValueError):
        return False
    return bool(spec.get("holderIdentity")) and age_s < float(spec.get("leaseDurationSeconds") or 15)
