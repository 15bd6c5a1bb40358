"""What a Canary says about other objects, held against those that are known.

An object that is not there yet may come in the next line of the same `kubectl apply`, so it is a warning and never a
denial. The one exception is a workload or a service that another canary has already: see `check_claims`.
Secrets are not looked up: to know their names takes the right to read them all. The agent, which reads those that a
MetricTemplate or an AlertProvider refers to, tells of one that is missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from canary.api.canary import Canary
from canary.api.metric_template import MetricTemplate
from canary.api.metrics import CanaryMetric
from canary.api.problems import InvalidObject, Problem
from canary.rules.queries import check_filled_queries
from canary.rules.shape import parse_metric_template
from canary.rules.target_port import check_target_port

PRIMARY_SUFFIX = "-primary"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one canary takes for itself in its namespace. `kind` and `target` are those of spec.targetRef."""

    canary: str
    kind: str
    target: str
    apex: str

    @classmethod
    def of(cls, canary: Canary) -> Self:
        """Read the claim of a canary that parses."""
        reference = canary.spec.target_ref
        return cls(canary.name, reference.kind, reference.name, canary.apex_name)

    @classmethod
    def read(cls, obj: Mapping[str, Any]) -> Self | None:
        """Read the claim of a stored canary, None where it has no target or is being deleted."""
        metadata, spec = _part(obj, "metadata"), _part(obj, "spec")
        reference = _part(spec, "targetRef")
        name, target, kind = metadata.get("name"), reference.get("name"), reference.get("kind")
        if not (isinstance(name, str) and isinstance(target, str) and isinstance(kind, str)):
            return None
        if metadata.get("deletionTimestamp") is not None:
            return None
        apex = _part(spec, "service").get("name")
        return cls(name, kind, target, apex if isinstance(apex, str) and apex else target)

    @property
    def workloads(self) -> frozenset[str]:
        """Names of the two workloads, of the kind `kind`."""
        return frozenset({self.target, f"{self.target}{PRIMARY_SUFFIX}"})

    @property
    def services(self) -> frozenset[str]:
        """Names of the three generated services."""
        return frozenset({self.apex, f"{self.apex}{PRIMARY_SUFFIX}", f"{self.apex}-canary"})


class Known(Protocol):
    """The objects that the webhook's caches hold; all lookups are from memory."""

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        """Is there such an object? None where nobody can tell: a kind that isn't watched or served.

        Asked for are Deployment, DaemonSet, HorizontalPodAutoscaler, ScaledObject, Upstream, MetricTemplate and
        AlertProvider.
        """

    def port_names(self, kind: str, namespace: str, name: str) -> Iterable[str] | None:
        """Name the container ports of a Deployment or DaemonSet, None where it is not there or not known."""

    def metric_template(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return a MetricTemplate as it is stored, None where there is none."""

    def claims(self, namespace: str) -> Iterable[Claim]:
        """Return what the canaries of a namespace claim (Claim.read of each), of every provider, the asking one too."""


def check_claims(canary: Canary, known: Known) -> Iterator[Problem]:
    """Find the workload and the services that another canary has already.

    These are errors, though they depend on another object: two canaries on one workload would scale and promote it
    against each other, so the second one never runs (the agent refuses it as OwnedByOther). Whoever wants to pass a
    workload on deletes the old canary first, and one that is being deleted claims nothing.
    """
    own = Claim.of(canary)
    for other in known.claims(canary.namespace):
        if other.canary == own.canary:
            continue
        if other.kind == own.kind and (shared := own.workloads & other.workloads):
            allowed = f"a workload that no other canary has; Canary {other.canary} has {', '.join(sorted(shared))}"
            yield Problem("spec.targetRef.name", own.target, allowed)
        elif shared := own.services & other.services:
            path = "spec.service.name" if canary.spec.service.name else "spec.targetRef.name"
            allowed = (
                f"a name of services that no other canary has; Canary {other.canary} has {', '.join(sorted(shared))}"
            )
            yield Problem(path, own.apex, allowed)


def check_references(canary: Canary, known: Known) -> Iterator[Problem]:
    """Warn of every object that a canary names and that is not there, and of templates that it fills in wrongly."""
    spec, here = canary.spec, canary.namespace
    yield from _missing(known, "spec.targetRef.name", spec.target_ref.kind, here, spec.target_ref.name)
    names = known.port_names(spec.target_ref.kind, here, spec.target_ref.name)
    if names is not None:
        yield from check_target_port(canary, spec.target_ref.name, names)
    if spec.autoscaler_ref is not None:
        scaler = spec.autoscaler_ref
        yield from _missing(known, "spec.autoscalerRef.name", scaler.kind, here, scaler.name)
    if spec.upstream_ref is not None:
        upstream = spec.upstream_ref
        yield from _missing(known, "spec.upstreamRef.name", "Upstream", upstream.namespace or here, upstream.name)
    if canary.analysis is None:
        return
    yield from _templates(canary, known)
    for index, alert in enumerate(canary.analysis.alerts):
        path = f"{canary.analysis_path}.alerts[{index}].providerRef.name"
        namespace, name = alert.provider_ref.namespace or here, alert.provider_ref.name
        yield from _missing(known, path, "AlertProvider", namespace, name)


def _templates(canary: Canary, known: Known) -> Iterator[Problem]:
    there: list[tuple[str, CanaryMetric, MetricTemplate]] = []
    for index, metric in enumerate(canary.analysis.metrics if canary.analysis is not None else ()):
        if metric.template_ref is None:
            continue
        path = f"{canary.analysis_path}.metrics[{index}]"
        namespace, name = metric.template_ref.namespace or canary.namespace, metric.template_ref.name
        yield from _missing(known, f"{path}.templateRef.name", "MetricTemplate", namespace, name)
        found = known.metric_template(namespace, name)
        if found is None:
            continue
        try:
            template = parse_metric_template(found)
        except InvalidObject as error:
            fault = str(error) if namespace == canary.namespace else _paths(error)
            yield Problem(f"{path}.templateRef.name", name, f"a template that can be asked; {fault}", is_warning=True)
        else:
            there.append((path, metric, template))
    yield from check_filled_queries(canary, there)


def _paths(error: InvalidObject) -> str:
    """Tell where an object is faulty, but not with what: who may refer to it need not be allowed to read it."""
    paths = ", ".join(problem.path for problem in error.problems)
    return f"{error.kind} {error.namespace}/{error.name} has faults: {paths}"


def _missing(known: Known, path: str, kind: str, namespace: str, name: str) -> Iterator[Problem]:
    if known.has(kind, namespace, name) is False:
        allowed = f"an existing {kind} in namespace {namespace}; there is none of this name yet"
        yield Problem(path, name, allowed, is_warning=True)


def _part(holder: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    found = holder.get(field)
    return found if isinstance(found, Mapping) else {}
