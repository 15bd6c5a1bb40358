"""The RouteTables of canaries: are they there, does Gloo accept them, and do requests come to them?"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from canary.api.names import Names
from cli.cluster.resources import ROUTE_TABLES, VIRTUAL_SERVICES
from cli.doctor.checks.metrics import routed
from cli.doctor.finding import Finding, Unread, counted, fault, first_of, ok, warning
from cli.doctor.installation import Installation
from kube.resource import Object, Objects
from render.gloo_delegation import Delegation, read_delegation
from render.gloo_status import GlooState, Reference, own_verdict, read_proxies

_PAGE: Final = "docs/how-to/gloo.md#a-route-is-refused"
_LONGEST_REASON: Final = 300


async def check_routes(serin: Installation) -> list[Finding]:
    """Check the tables of the canaries that have been initialized."""
    wanted: dict[Reference, str] = {}
    for canary in routed(serin.known_canaries):
        wanted[canary.namespace, Names.of(canary).route_table] = f"{canary.namespace}/{canary.name}"
    if not wanted:
        return []
    tables, services = await asyncio.gather(serin.reader.list(ROUTE_TABLES), serin.reader.list(VIRTUAL_SERVICES))
    if isinstance(tables, Unread):
        return [tables.of("RouteTables")]
    by_name = {_reference(one): one for one in tables}
    there = [by_name[one] for one in wanted if one in by_name]
    findings = [*_missing(serin, wanted, by_name), *_refused(serin, there)]
    if isinstance(services, Unread):
        findings.append(services.of("which VirtualServices lead to canaries"))
    else:
        findings += _unreached(serin, there, tables, services)
    return findings or [ok(f"{counted(len(wanted), 'RouteTable')}: accepted, and VirtualServices lead there")]


def _reference(obj: Object) -> Reference:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _missing(serin: Installation, wanted: dict[Reference, str], there: dict[Reference, Object]) -> Iterator[Finding]:
    missing = [name for reference, name in wanted.items() if reference not in there]
    if missing:
        logs = f"{serin.kubectl} -n {serin.namespace} logs deployment/serin-agent --tail=50"
        yield fault(f"no RouteTable of {first_of(missing)}: the agent makes it, or says why not", logs)


def _refused(serin: Installation, tables: Sequence[Object]) -> Iterator[Finding]:
    refused: dict[str, list[Reference]] = defaultdict(list)
    for table in tables:
        own = own_verdict(table)
        reasons = [own.reason] if own.state is GlooState.REJECTED else []
        reasons += [one.reason for one in read_proxies(table) or () if one.state is GlooState.REJECTED]
        for reason in reasons[:1]:
            refused[" ".join(reason.split())[:_LONGEST_REASON] or "Rejected"].append(_reference(table))
    for reason, tables_ in refused.items():
        namespace, name = tables_[0]
        look = f"{serin.kubectl} -n {namespace} get routetable {name} -o jsonpath='{{.status}}'"
        names = first_of("/".join(one) for one in tables_)
        yield fault(f"Gloo refuses {names}: {reason}", look, page=_PAGE)


def _unreached(serin: Installation, tables: Sequence[Object], all_: Objects, services: Objects) -> Iterator[Finding]:
    reached = _reached(all_, services)
    unreached = [table for table in tables if _reference(table) not in reached]
    if unreached:
        namespace = unreached[0]["metadata"]["namespace"]
        names = first_of("/".join(_reference(one)) for one in unreached)
        yield warning(
            f"no VirtualService leads to {counted(len(unreached), 'RouteTable')} ({names}): nobody reaches the canary",
            f"{serin.kubectl} -n {namespace} apply -f manifests/examples/podinfo-virtualservice.yaml",
            page="docs/how-to/run.md#requests-reach-the-wrong-side",
        )


def _reached(tables: Objects, services: Objects) -> set[Reference]:
    """Return the tables that requests come to, from the VirtualServices on, through other tables."""
    below = {_reference(table): read_delegation(table) for table in tables}
    to_visit = [read_delegation(one) for one in services]
    reached: set[Reference] = set()
    while to_visit:
        found = _led_to(to_visit.pop(), tables) - reached
        reached |= found
        to_visit += [below[one] for one in found if one in below]
    return reached


def _led_to(delegation: Delegation, tables: Objects) -> set[Reference]:
    selected = {_reference(one) for one in tables if delegation.reaches(one)} if delegation.selectors else set()
    return selected | set(delegation.references)
