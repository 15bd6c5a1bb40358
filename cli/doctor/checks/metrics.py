"""Prometheus: is it there, and has it the very series that the builtin checks of these canaries count?"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from canary.api.canary import GLOO, Canary
from canary.api.names import Names, Side
from canary.api.prometheus_answer import Element
from canary.run.phase import Phase
from cli.doctor.checks.agent import set_flag
from cli.doctor.finding import Finding, Unread, counted, fault, first_of, ok, unknown, warning
from cli.doctor.installation import Agent, Installation, ready_pods
from cli.doctor.parsed import parsed
from cli.doctor.prometheus import Failed, ask, service_of
from kube.resource import DEPLOYMENTS, Object
from render.builtin_metrics import request_count

_PAGE: Final = "docs/how-to/metrics.md"
_COUNTED: Final = "envoy_cluster_upstream_rq_total"
_NEEDED: Final = ("envoy_cluster_upstream_rq", _COUNTED, "envoy_cluster_upstream_rq_time_bucket")
_LABELS: Final = ("kubernetes_namespace", "namespace")
_BY_NAME: Final = f'count by (__name__) ({{__name__=~"{"|".join(_NEEDED)}"}})'
_BY_CLUSTER: Final = f"count by (envoy_cluster_name, {', '.join(_LABELS)}) ({_COUNTED})"
_CERTIFICATE: Final = "min(serin_certificate_expiry_seconds)"
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
"""What goes into a command. A label's value may be anything."""

_DAY_S: Final = 86_400
_SOON_DAYS: Final = 7
_WINDOW_S: Final = 60
_BEFORE_ROUTES: Final = frozenset({"", Phase.INITIALIZING})

Origins = dict[str, set[tuple[str, ...]]]
"""The labels that tell where a cluster's series come from, by the cluster's name."""


async def check_metrics(serin: Installation) -> list[Finding]:
    """Check the server of each agent."""
    return [finding for agent in serin.agents for finding in await _of_agent(serin, agent)]


async def _of_agent(serin: Installation, agent: Agent) -> list[Finding]:
    address, client = agent.flags.get("metrics-server", ""), serin.reader.client
    by_name, by_cluster, certificate = await asyncio.gather(
        *(ask(client, address, promql) for promql in (_BY_NAME, _BY_CLUSTER, _CERTIFICATE))
    )
    if isinstance(by_name, Unread):
        forward = f"{serin.kubectl} -n {agent.namespace} port-forward deployment/flagger-prometheus 9090"
        return [unknown(f"{address}: {by_name.why}", forward)]
    if isinstance(by_name, Failed) or not isinstance(by_cluster, list):
        why = by_name.why if isinstance(by_name, Failed) else "it answers some queries only"
        return [fault(f"{address}: {why}", *await _restart(serin, address), page=f"{_PAGE}#prometheus-is-down")]
    return [
        *_series_are_there(serin, address, by_name),
        *_sides_have_series(serin, agent, by_cluster),
        *_certificate_lasts(serin, certificate),
    ]


async def _restart(serin: Installation, address: str) -> tuple[str, str]:
    """Return the commands for the Deployment that is named as the Service: the add-on's is, and Flagger's."""
    name, namespace = service_of(address)
    kubectl = f"{serin.kubectl} -n {namespace}"
    found = await serin.reader.get(DEPLOYMENTS, name, namespace)
    is_at_zero = isinstance(found, dict) and ready_pods(found)[1] == 0
    mend = f"scale deployment/{name} --replicas=1" if is_at_zero else f"rollout restart deployment/{name}"
    return f"{kubectl} get service,endpointslices,pods", f"{kubectl} {mend}"


def _series_are_there(serin: Installation, address: str, found: Sequence[Element]) -> Iterator[Finding]:
    there = {one.labels.get("__name__") for one in found}
    missing = [name for name in _NEEDED if name not in there]
    if not missing:
        yield ok(f"{address} answers, and has all series of the builtin checks")
    elif _COUNTED in missing:
        yield fault(
            f"{address} has no series {_COUNTED}: it does not scrape Gloo's proxies",
            f"{serin.kubectl} -n {serin.gateways[0]} get pods -l gloo=gateway-proxy "
            "-o jsonpath='{range .items[*]}{.metadata.name} {.metadata.annotations}{\"\\n\"}{end}'",
            page=f"{_PAGE}#no-values",
        )
    else:
        yield warning(
            f"{address} has no series {', '.join(missing)}: no request came yet, or its scraping drops them",
            page="docs/concepts/checks.md",
        )


@dataclass(slots=True)
class _Missing:
    """The canaries without series, by side, the query of the first, and those that other namespaces export."""

    sides: dict[Side, list[str]] = field(default_factory=lambda: defaultdict(list))
    asked: dict[Side, str] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)
    exporters: set[str] = field(default_factory=set)


def _sides_have_series(serin: Installation, agent: Agent, found: Iterable[Element]) -> Iterator[Finding]:
    origins: Origins = defaultdict(set)
    for one in found:
        labels = tuple(one.labels.get(label, "") for label in _LABELS)
        origins[one.labels.get("envoy_cluster_name", "")].add(labels)
    looked_at = [one for one in routed(serin.known_canaries) if agent.looks_after(one.namespace)]
    own = sum(1 for one in looked_at if one.spec.metrics_server)
    ours = [one for one in looked_at if not one.spec.metrics_server]
    missing = _Missing()
    for canary in ours:
        _look(canary, agent, origins, missing)
    if missing.elsewhere:
        wanted = ",".join(sorted({*agent.gateway_namespaces, *missing.exporters}))
        yield fault(
            f"the series of {_those(missing.elsewhere)} come from {', '.join(sorted(missing.exporters))}, which "
            f"--gateway-namespaces={','.join(agent.gateway_namespaces)} leaves out",
            set_flag(serin, agent, f"--gateway-namespaces={wanted}"),
            page=f"{_PAGE}#no-values",
        )
    for side, names in missing.sides.items():
        side_word = "primary" if side is Side.PRIMARY else "canary side"
        yield warning(
            f"0 series for the {side_word} of {_those(names)}: {missing.asked[side]}", page=f"{_PAGE}#no-values"
        )
    if ours and not missing.sides and not missing.elsewhere:
        yield ok(f"series for both sides of {counted(len(ours), 'canary', 'canaries')}")
    if own:
        yield unknown(f"{counted(own, 'canary has', 'canaries have')} a metricsServer of their own")


def _look(canary: Canary, agent: Agent, origins: Origins, missing: _Missing) -> None:
    names, gateways = Names.of(canary), agent.gateway_namespaces
    name = f"{canary.namespace}/{canary.name}"
    for side in Side:
        found = {labels for cluster in names.envoy_clusters(side) for labels in origins.get(cluster, ())}
        if not found:
            missing.sides[side].append(name)
            missing.asked.setdefault(side, request_count(names, side, _WINDOW_S, gateways).text)
        elif gateways and not any(all(one in {"", *gateways} for one in labels) for labels in found):
            missing.elsewhere.append(name)
            missing.exporters |= {one for labels in found for one in labels if _NAMESPACE.fullmatch(one)}
            return


def routed(objects: Iterable[Object]) -> Iterator[Canary]:
    """Return the canaries of Gloo's that have routes: those that have been initialized."""
    for obj in objects:
        if str((obj.get("status") or {}).get("phase") or "") in _BEFORE_ROUTES:
            continue
        canary = parsed(Canary, obj)
        if canary is not None and canary.provider == GLOO:
            yield canary


def _those(names: Sequence[str]) -> str:
    return f"{counted(len(names), 'canary', 'canaries')} ({first_of(names)})"


def _certificate_lasts(serin: Installation, answer: object) -> Iterator[Finding]:
    """Tell when the webhook's own certificate ends; it is in no object, but in the webhook's series."""
    if not isinstance(answer, list) or not answer:
        return
    left_s = answer[0].value
    command = f"{serin.kubectl} -n {serin.namespace} rollout restart deployment/serin-webhook-authority"
    if left_s < 0:
        yield fault("the webhook's certificate has ended", command, page="docs/operating/certificates.md")
    elif left_s < _SOON_DAYS * _DAY_S:
        left = f"in {left_s / _DAY_S:.0f} days"
        yield warning(f"the webhook's certificate ends {left}", command, page="docs/operating/certificates.md")
    else:
        yield ok(f"the webhook's certificate ends in {left_s / _DAY_S:.0f} days")
