"""The queries of MetricTemplates, filled in for each canary and asked once."""

import asyncio
import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from canary.api.canary import GLOO, Canary
from canary.api.metric_template import PROMETHEUS, MetricTemplate
from canary.api.metrics import CanaryMetric
from canary.api.query_template import TemplateError, query_names, render_query
from cli.doctor.finding import Finding, Unread, counted, fault, first_of, ok, unknown, warning
from cli.doctor.installation import Installation
from cli.doctor.parsed import parsed
from cli.doctor.prometheus import Answer, Failed, ask
from kube.resource import Object

_PAGE: Final = "docs/how-to/metrics.md"
MOST_QUERIES: Final = 20


class Query(NamedTuple):
    """A check's query, filled in. `edit` names the object that has it."""

    check: str
    promql: str
    address: str
    edit: str
    has_credentials: bool = False


class Elsewhere(NamedTuple):
    """A check's query to a server of another type."""

    check: str
    provider_type: str


async def check_templates(serin: Installation) -> list[Finding]:
    """Ask each query; of many the first, for each costs the server something."""
    if isinstance(serin.templates, Unread):
        return [serin.templates.of("queries of MetricTemplates")]
    found = list(_queries(serin, serin.templates))
    queries = [one for one in found if isinstance(one, Query)]
    findings = [one for one in found if isinstance(one, Finding)]
    secret = [one.check for one in queries if one.has_credentials]
    asked = [one for one in queries if not one.has_credentials][:MOST_QUERIES]
    answers = await asyncio.gather(*(ask(serin.reader.client, one.address, one.promql) for one in asked))
    judged = [_judged(one, answer) for one, answer in zip(asked, answers, strict=True)]
    findings += [one for one in judged if one is not None]
    if good := len([one for one in judged if one is None]):
        findings.append(ok(f"{counted(good, 'query', 'queries')} of checks: one value each"))
    if elsewhere := [one for one in found if isinstance(one, Elsewhere)]:
        types = ", ".join(sorted({one.provider_type for one in elsewhere}))
        checks = first_of([one.check for one in elsewhere])
        findings.append(unknown(f"queries to {types}, which only the agent asks: {checks}"))
    if secret:
        findings.append(unknown(f"queries with credentials, which only the agent reads: {first_of(secret)}"))
    if (left := len(queries) - len(secret) - len(asked)) > 0:
        findings.append(
            unknown(f"{counted(left, 'more query', 'more queries')}: -n NAMESPACE asks those of one namespace")
        )
    return findings


def _queries(serin: Installation, templates: list[Object]) -> Iterator[Query | Elsewhere | Finding]:
    by_name = {(obj["metadata"]["namespace"], obj["metadata"]["name"]): obj for obj in templates}
    for obj in serin.known_canaries:
        canary = parsed(Canary, obj)
        if canary is None or canary.provider != GLOO or canary.analysis is None:
            continue
        for metric in canary.analysis.metrics:
            if metric.template_ref is None and not metric.query:
                continue
            namespace = canary.namespace if metric.template_ref is None else metric.template_ref.namespace
            key = (namespace or canary.namespace, "" if metric.template_ref is None else metric.template_ref.name)
            yield from _query(serin, canary, metric, by_name.get(key))


def _query(
    serin: Installation, canary: Canary, metric: CanaryMetric, template: Object | None
) -> Iterator[Query | Elsewhere | Finding]:
    check, names = f"{canary.namespace}/{canary.name} {metric.name}", query_names(canary, metric.interval_effective)
    agents = [agent.flags.get("metrics-server", "") for agent in serin.agents if agent.looks_after(canary.namespace)]
    server = canary.spec.metrics_server or next(iter(agents), "")
    edit = f"{serin.kubectl} -n {canary.namespace} edit canary {canary.name}"
    try:
        if metric.template_ref is None:
            promql = render_query(metric.query, names, metric.template_variables)
            yield Query(check, promql, server, edit)
        elif (there := None if template is None else parsed(MetricTemplate, template)) is not None:
            edit = f"{serin.kubectl} -n {there.namespace} edit metrictemplate {there.name}"
            if there.spec.provider.type != PROMETHEUS:
                yield Elsewhere(check, there.spec.provider.type)
                return
            promql = render_query(there.spec.query, names, metric.template_variables)
            yield Query(check, promql, there.spec.provider.address or server, edit, _is_secret(there))
    except TemplateError as error:
        yield fault(f"{check}: {error}", edit, page=_PAGE)


def _is_secret(template: MetricTemplate) -> bool:
    provider = template.spec.provider
    return provider.secret_ref is not None or bool(provider.headers)


def _judged(query: Query, answer: Answer) -> Finding | None:
    """Return what is to be told of an answer, None of one value."""
    shown = " ".join(query.promql.split())
    if isinstance(answer, Unread):
        return unknown(f"{query.check} at {query.address}: {answer.why}")
    if isinstance(answer, Failed):
        return fault(f"{query.check} at {query.address}: {answer.why}; asked: {shown}", query.edit, page=_PAGE)
    if not answer or (len(answer) == 1 and not math.isfinite(answer[0].value)):
        return warning(f"{query.check}: 0 series for: {shown}", page=f"{_PAGE}#no-values")
    if len(answer) > 1:
        found = (
            f"{query.check}: {len(answer)} series; allowed: one, for example by sum() around the query; asked: {shown}"
        )
        return fault(found, query.edit, page=_PAGE)
    return None
