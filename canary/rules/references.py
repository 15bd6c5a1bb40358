"""What a Canary says about other objects, checked against those that a cluster has.

Each fact is found here once, with a reason. Admission makes warnings and refusals of them, the agent makes blockers.

Secrets are not looked up: to know their names takes the right to read all of them. The agent, which reads those that a
MetricTemplate or an AlertProvider refers to, adds what is wrong with them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.api.metrics import CanaryMetric
from canary.api.names import Names, primary_name
from canary.api.problems import Described, InvalidObject, Problem
from canary.api.references import NamespacedReference
from canary.rules.cluster import Claim, Cluster
from canary.rules.gloo import UPSTREAM_KIND
from canary.rules.queries import check_filled_queries, check_rendering
from canary.rules.shape import parse_metric_template
from canary.rules.target import TARGET_KINDS, autoscaler_kind_is_known, target_kind_is_known

METRIC_TEMPLATE_KIND: Final = "MetricTemplate"
ALERT_PROVIDER_KIND: Final = "AlertProvider"
ROUTE_TABLE_KIND: Final = "RouteTable"

_TARGET_NAME: Final = "spec.targetRef.name"
_TARGET_PORT: Final = "spec.service.targetPort"
_SCALER_NAME: Final = "spec.autoscalerRef.name"


class Stage(StrEnum):
    """When references are checked.

    ADMISSION: as the Canary is applied. A missing object may come in the next line of the same `kubectl apply`, so it
    is a warning. RUN: before the Canary's objects are made or changed. START: before a run begins; what is found then
    would end it, and it would never be tried again.
    """

    ADMISSION = "admission"
    RUN = "run"
    START = "start"


class Reason(StrEnum):
    """What is wrong with a reference; users see it in the condition `Ready`."""

    TARGET_KIND_UNSUPPORTED = "TargetKindUnsupported"
    TARGET_NOT_FOUND = "TargetNotFound"
    TARGET_PORT_NOT_FOUND = "TargetPortNotFound"
    SCALER_KIND_UNSUPPORTED = "ScalerKindUnsupported"
    SCALER_NOT_FOUND = "ScalerNotFound"
    UPSTREAM_NOT_FOUND = "UpstreamNotFound"
    TEMPLATE_NOT_FOUND = "MetricTemplateNotFound"
    TEMPLATE_UNUSABLE = "MetricTemplateUnusable"
    TEMPLATE_SECRET_UNUSABLE = "MetricSecretUnusable"  # noqa: S105  a reason, not a password
    ALERT_PROVIDER_NOT_FOUND = "AlertProviderNotFound"
    OWNED_BY_OTHER = "OwnedByOther"
    CROSS_NAMESPACE = "CrossNamespaceReference"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceProblem(Problem):
    """A problem of a reference. `is_warning` is meant for admission; in a run each of them blocks."""

    reason: Reason


def check_references(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    """Return what is wrong with the objects that a canary names or needs for itself, the most basic first."""
    for rule in _RULES[stage]:
        yield from rule(canary, cluster, stage)


def _nothing_is_claimed_twice(canary: Canary, cluster: Cluster, _: Stage) -> Iterator[ReferenceProblem]:
    """Find the workload, the services and the autoscaler that another canary claims.

    These are errors, though they depend on another object: two canaries on one workload would scale and promote it
    against each other, and with one autoscaler write its copy in turns, so the second one never runs. Whoever wants
    to pass a workload on deletes the old canary first, and one that is being deleted claims nothing.
    """
    own = Claim.of(canary)
    for other in cluster.claims(canary.namespace):
        if other.canary == own.canary:
            continue
        if other.kind == own.kind and (shared := own.workloads & other.workloads):
            allowed = f"a workload that no other canary has; Canary {other.canary} has {', '.join(sorted(shared))}"
            yield ReferenceProblem(_TARGET_NAME, own.target, allowed, reason=Reason.OWNED_BY_OTHER)
        elif shared := own.services & other.services:
            allowed = (
                f"a name of services that no other canary has; Canary {other.canary} has {', '.join(sorted(shared))}"
            )
            yield ReferenceProblem(_apex_path(canary), own.apex, allowed, reason=Reason.OWNED_BY_OTHER)
        elif own.scaler and own.scaler == other.scaler:
            allowed = f"an autoscaler that no other canary has; Canary {other.canary} has {own.scaler}"
            name = own.scaler.partition(" ")[2]
            yield ReferenceProblem(_SCALER_NAME, name, allowed, reason=Reason.OWNED_BY_OTHER)


def _objects_are_no_others(canary: Canary, cluster: Cluster, _: Stage) -> Iterator[ReferenceProblem]:
    """Find another canary's objects under our names: of one that shares the target, or of one that was deleted."""
    names, scaler = Names.of(canary), canary.spec.autoscaler_ref
    objects = [
        (_TARGET_NAME, canary.target_kind, names.primary_workload),
        (_apex_path(canary), ROUTE_TABLE_KIND, names.route_table),
    ]
    if scaler is not None and names.primary_scaler is not None:
        objects.append((_SCALER_NAME, scaler.kind, names.primary_scaler))
    for path, kind, name in objects:
        for owner in cluster.owners(kind, canary.namespace, name):
            if owner.uid != canary.uid:
                found = Described(f"{kind} {name} of Canary {owner.name}, uid {owner.uid}")
                own = "an autoscaler" if path == _SCALER_NAME else "a target and a service.name"
                allowed = f"{own} that no other Canary has (or had: its objects are still going)"
                yield _warning(path, found, allowed, Reason.OWNED_BY_OTHER)


def _target_kind_is_supported(canary: Canary, _: Cluster, __: Stage) -> Iterator[ReferenceProblem]:
    """Find a kind that `check_canary` refuses, too: a spec that was stored invalid may still have to be wound up."""
    if canary.target_kind not in TARGET_KINDS:
        yield from _with_reason(target_kind_is_known(canary), Reason.TARGET_KIND_UNSUPPORTED)


def _target_exists(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    kind, name = canary.target_kind, canary.spec.target_ref.name
    if cluster.has(kind, canary.namespace, name) is False:
        yield _missing(stage, _TARGET_NAME, kind, canary.namespace, name, Reason.TARGET_NOT_FOUND)


def _target_port_is_found(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    """Find a target port by name that a side's pods do not have: these are behind no Service, ready as they may be.

    The primary's pods are looked at in a run only: at admission a promotion may still give them the port.
    """
    port, target = canary.spec.service.target_port, canary.spec.target_ref.name
    if not (isinstance(port, str) and port):
        return
    for workload in (target, primary_name(target)) if stage is Stage.RUN else (target,):
        names = cluster.port_names(canary.target_kind, canary.namespace, workload)
        if names is None and workload == target:
            return
        if names is not None and port not in names:
            owner = f"{canary.target_kind} {workload}"
            there = ", ".join(sorted(names)) or "it names none"
            allowed = f"a number, or the name of a container port of {owner} ({there})"
            yield _warning(_TARGET_PORT, port, allowed, Reason.TARGET_PORT_NOT_FOUND)


def _scaler_kind_is_supported(canary: Canary, _: Cluster, __: Stage) -> Iterator[ReferenceProblem]:
    """Find a kind that `check_canary` refuses, as for the target."""
    yield from _with_reason(autoscaler_kind_is_known(canary), Reason.SCALER_KIND_UNSUPPORTED)


def _scaler_exists(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    scaler = canary.spec.autoscaler_ref
    if scaler is not None and cluster.has(scaler.kind, canary.namespace, scaler.name) is False:
        yield _missing(stage, _SCALER_NAME, scaler.kind, canary.namespace, scaler.name, Reason.SCALER_NOT_FOUND)


def _upstream_exists(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    upstream = canary.spec.upstream_ref
    if upstream is None:
        return
    if is_refused_across(canary, upstream, cluster):
        yield _across(canary, "spec.upstreamRef", upstream)
        return
    namespace = upstream.namespace or canary.namespace
    if cluster.has(UPSTREAM_KIND, namespace, upstream.name) is False:
        path = "spec.upstreamRef.name"
        yield _missing(stage, path, UPSTREAM_KIND, namespace, upstream.name, Reason.UPSTREAM_NOT_FOUND)


def _templates_can_be_asked(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    """Find templates whose checks would get no answer: each run would be rolled back, unobserved, at its deadline."""
    there: list[tuple[str, CanaryMetric, MetricTemplate]] = []
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        if metric.template_ref is None or (stage is Stage.START and metric.dry_run):
            # A dry run holds no run up.
            continue
        metric_path = f"{canary.analysis_path}.metrics[{index}]"
        path = f"{metric_path}.templateRef.name"
        namespace, name = metric.template_ref.namespace or canary.namespace, metric.template_ref.name
        if is_refused_across(canary, metric.template_ref, cluster):
            yield _across(canary, f"{metric_path}.templateRef", metric.template_ref)
            continue
        if cluster.has(METRIC_TEMPLATE_KIND, namespace, name) is False:
            yield _missing(stage, path, METRIC_TEMPLATE_KIND, namespace, name, Reason.TEMPLATE_NOT_FOUND)
        found = cluster.metric_template(namespace, name)
        if found is None:
            continue
        try:
            template = parse_metric_template(found)
        except InvalidObject as error:
            yield _unusable(canary, path, error)
            continue
        there.append((metric_path, metric, template))
        if metric.evidence is not None and template.spec.counts is None:
            allowed = (
                f"a template with spec.counts, which evidence is made of; MetricTemplate {namespace}/{name} has none"
            )
            yield _warning(path, name, allowed, Reason.TEMPLATE_UNUSABLE)
    # The metrics server decides what it takes for a query: that is no reason to begin no run.
    check = check_filled_queries if stage is Stage.ADMISSION else check_rendering
    yield from _with_reason(check(canary, there), Reason.TEMPLATE_UNUSABLE)


def _unusable(canary: Canary, path: str, error: InvalidObject) -> ReferenceProblem:
    fault = str(error) if error.namespace == canary.namespace else without_content(error)
    return _warning(path, error.name, f"a template that can be asked; {fault}", Reason.TEMPLATE_UNUSABLE)


def _alert_providers_exist(canary: Canary, cluster: Cluster, stage: Stage) -> Iterator[ReferenceProblem]:
    for index, alert in enumerate(canary.analysis.alerts if canary.analysis is not None else ()):
        namespace, name = alert.provider_ref.namespace or canary.namespace, alert.provider_ref.name
        if is_refused_across(canary, alert.provider_ref, cluster):
            yield _across(canary, f"{canary.analysis_path}.alerts[{index}].providerRef", alert.provider_ref)
            continue
        if cluster.has(ALERT_PROVIDER_KIND, namespace, name) is False:
            path = f"{canary.analysis_path}.alerts[{index}].providerRef.name"
            yield _missing(stage, path, ALERT_PROVIDER_KIND, namespace, name, Reason.ALERT_PROVIDER_NOT_FOUND)


class _AcrossRule(Protocol):
    """Who knows whether there are references to other namespaces."""

    @property
    def allows_across(self) -> bool:
        """Return whether canaries may refer to objects in other namespaces than their own."""


def is_refused_across(canary: Canary, reference: NamespacedReference, cluster: _AcrossRule) -> bool:
    """Return whether a reference leads to another namespace, where none may (`--no-cross-namespace-refs`)."""
    return not cluster.allows_across and reference.namespace not in {"", canary.namespace}


def _across(canary: Canary, path: str, reference: NamespacedReference) -> ReferenceProblem:
    allowed = f"{canary.namespace}, or nothing: references to other namespaces are turned off (no-cross-namespace-refs)"
    return ReferenceProblem(f"{path}.namespace", reference.namespace, allowed, reason=Reason.CROSS_NAMESPACE)


_Rule = Callable[[Canary, Cluster, Stage], Iterable[ReferenceProblem]]

# A missing template stops no run that has begun: the check that needs it says so, as does the alert without a provider.
_RULES: Final[Mapping[Stage, tuple[_Rule, ...]]] = {
    Stage.ADMISSION: (
        _nothing_is_claimed_twice,
        _target_exists,
        _target_port_is_found,
        _scaler_exists,
        _upstream_exists,
        _templates_can_be_asked,
        _alert_providers_exist,
    ),
    Stage.START: (_templates_can_be_asked,),
    Stage.RUN: (
        _target_kind_is_supported,
        _target_exists,
        _target_port_is_found,
        _scaler_kind_is_supported,
        _scaler_exists,
        _objects_are_no_others,
        _upstream_exists,
    ),
}


def _missing(stage: Stage, path: str, kind: str, namespace: str, name: str, reason: Reason) -> ReferenceProblem:
    if stage is Stage.ADMISSION:
        allowed = f"an existing {kind} in namespace {namespace}; there is none of this name yet"
    else:
        article = "an" if kind[0] in "AEIOU" else "a"
        allowed = f"the name of {article} {kind} in namespace {namespace}, and there is none of this name"
    return _warning(path, name, allowed, reason)


def _warning(path: str, found: object, allowed: str, reason: Reason) -> ReferenceProblem:
    return ReferenceProblem(path, found, allowed, is_warning=True, reason=reason)


def _with_reason(problems: Iterable[Problem], reason: Reason) -> Iterator[ReferenceProblem]:
    for problem in problems:
        yield ReferenceProblem(
            problem.path,
            problem.found,
            problem.allowed,
            is_warning=problem.is_warning,
            spares_stored=problem.spares_stored,
            reason=reason,
        )


def _apex_path(canary: Canary) -> str:
    """Return the path of the field that names the apex."""
    return "spec.service.name" if canary.spec.service.name else _TARGET_NAME


def without_content(error: InvalidObject) -> str:
    """Return where an object is faulty, but not with what: who may refer to it need not be allowed to read it."""
    paths = ", ".join(problem.path for problem in error.problems)
    return f"{error.kind} {error.namespace}/{error.name} has faults: {paths}"
