"""Other objects: what is not there yet is a warning, what another canary has already a refusal."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from canary.rules.cluster import Claim
from kube.client import Client
from tests.support.canaries import canary_object
from tests.support.reviews import request
from webhook.caches import Caches, slim_canary
from webhook.canary_index import CanaryIndex
from webhook.context import AdmissionContext
from webhook.review import ALLOWED, Answer
from webhook.validating import validate_canary

Object = dict[str, Any]

SCALER = "HorizontalPodAutoscaler"
METRIC = "spec.analysis.metrics[0]"
ALERT = "spec.analysis.alerts[0]"
HPA = {"apiVersion": "autoscaling/v2", "kind": SCALER, "name": "podinfo"}


class Shelf:
    """The objects of one kind, all in one namespace."""

    def __init__(self, *objects: Object, namespace: str = "test") -> None:
        self._objects = {obj["metadata"]["name"]: obj for obj in objects}
        self._namespace = namespace

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get(name) if namespace == self._namespace else None

    def by_namespace(self, namespace: str) -> list[Object]:
        return list(self._objects.values()) if namespace == self._namespace else []


def named(name: str, **parts: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "test"}, **parts}


def canary(name: str, target: str, apex: str = "", kind: str = "Deployment", **metadata: str) -> Object:
    service = {"port": 80} | ({"name": apex} if apex else {})
    reference = {"apiVersion": "apps/v1", "kind": kind, "name": target}
    obj = canary_object(targetRef=reference, service=service)
    return obj | {"metadata": {"name": name, "namespace": "test", **metadata}}


def context(**shelves: Shelf) -> AdmissionContext:
    return AdmissionContext(CanaryIndex(), shelves)


def validate(obj: Object, cluster: AdmissionContext, old: Object | None = None) -> Answer:
    return validate_canary(request(obj, old), cluster)


def test_each_object_that_is_not_there_yet_is_a_warning() -> None:
    metrics = [{"name": "own", "templateRef": {"name": "latency"}, "threshold": 1}]
    alerts = [{"name": "on-call", "providerRef": {"name": "slack", "namespace": "ops"}}]
    obj = canary_object(
        {"metrics": metrics, "alerts": alerts},
        autoscalerRef=HPA,
        upstreamRef={"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "settings"},
    )
    kinds = ("Deployment", "HorizontalPodAutoscaler", "Upstream", "MetricTemplate", "AlertProvider")
    answer = validate(obj, context(**{kind: Shelf() for kind in kinds}))
    assert answer.is_allowed
    yet = "there is none of this name yet"
    assert answer.warnings == (
        f"spec.targetRef.name: found 'podinfo'; allowed: an existing Deployment in namespace test; {yet}",
        f"spec.autoscalerRef.name: found 'podinfo'; allowed: an existing {SCALER} in namespace test; {yet}",
        f"spec.upstreamRef.name: found 'settings'; allowed: an existing Upstream in namespace test; {yet}",
        f"{METRIC}.templateRef.name: found 'latency'; allowed: an existing MetricTemplate in namespace test; {yet}",
        f"{ALERT}.providerRef.name: found 'slack'; allowed: an existing AlertProvider in namespace ops; {yet}",
    )


def test_what_is_there_or_is_not_known_is_no_warning() -> None:
    obj = canary_object(autoscalerRef=HPA)
    shelves = {"Deployment": Shelf(named("podinfo")), "HorizontalPodAutoscaler": Shelf(named("podinfo"))}
    assert validate(obj, context(**shelves)) == ALLOWED
    assert validate(obj, context()) == ALLOWED


def test_a_target_port_that_the_target_does_not_name_is_a_warning() -> None:
    cluster = context(Deployment=Shelf(named("podinfo", portNames=["grpc", "http"])))
    answer = validate(canary_object(service={"port": 80, "targetPort": "web"}), cluster)
    assert answer.is_allowed
    allowed = "a number, or the name of a container port of Deployment podinfo (grpc, http)"
    assert answer.warnings == (f"spec.service.targetPort: found 'web'; allowed: {allowed}",)
    assert validate(canary_object(service={"port": 80, "targetPort": "http"}), cluster) == ALLOWED


class Asking(AdmissionContext):
    """A context that has nothing, and remembers which kinds it was asked for."""

    asked: set[str] = set()  # noqa: RUF012  one test asks

    def has(self, kind: str, namespace: str, name: str) -> bool | None:
        self.asked.add(kind)
        return super().has(kind, namespace, name)


def test_every_kind_that_is_asked_for_is_kept() -> None:
    """A kind without a cache would be one of which nothing is ever reported."""
    metrics = [{"name": "own", "templateRef": {"name": "latency"}, "threshold": 1}]
    alerts = [{"name": "on-call", "providerRef": {"name": "slack"}}]
    cluster = Asking(CanaryIndex())
    keda = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "podinfo"}
    for target, scaler in (("Deployment", HPA), ("Deployment", keda), ("DaemonSet", None)):
        obj = canary_object(
            {"metrics": metrics, "alerts": alerts},
            targetRef={"apiVersion": "apps/v1", "kind": target, "name": "podinfo"},
            autoscalerRef=scaler,
            upstreamRef={"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "settings"},
        )
        assert validate(obj, cluster).is_allowed
    kept = Caches(cast("Client", None), "").context("agent").lookups
    assert len(cluster.asked) == 7
    assert cluster.asked <= set(kept)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"provider": {"type": "prometheus", "address": "http://p"}, "query": "sum(rate(x[{{ variables.w }}]))"}, None),
        (
            {"provider": {"type": "prometheus", "address": "http://p"}, "query": "x{{ variables.other }}"},
            "spec.analysis.metrics[0].templateVariables",
        ),
        ({"provider": {"type": "prometheus"}, "query": "x"}, "spec.analysis.metrics[0].templateRef.name"),
    ],
)
def test_a_template_that_is_there_is_filled_in(spec: Mapping[str, Any], path: str | None) -> None:
    metric = {"name": "m", "templateRef": {"name": "t"}, "templateVariables": {"w": "1m"}, "threshold": 1}
    answer = validate(canary_object({"metrics": [metric]}), context(MetricTemplate=Shelf(named("t", spec=spec))))
    assert answer.is_allowed
    assert [warning.split(":")[0] for warning in answer.warnings] == ([path] if path else [])


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("up", "MetricTemplate private/t has faults: spec.provider.address"),
        ("sum(SECRET", "found 'private/t'; allowed: a template whose spec.query is PromQL"),
        ("x{{ SECRET }}", "MetricTemplate private/t asks for; it has a spec.query whose braces can't be filled in"),
        (
            "x{{ variables.w }}",
            "private/t asks for; it found '{{ variables.w }}' (line 1, column 2); allowed: the variables v",
        ),
    ],
)
def test_of_a_template_in_another_namespace_only_the_place_of_a_fault_is_shown(query: str, shown: str) -> None:
    address = "prometheus/SECRET" if query == "up" else "http://prometheus/SECRET"
    spec = {"provider": {"type": "prometheus", "address": address}, "query": query}
    shelf = Shelf({"metadata": {"name": "t", "namespace": "private"}, "spec": spec}, namespace="private")
    metric = {
        "name": "m",
        "templateRef": {"name": "t", "namespace": "private"},
        "templateVariables": {"v": "1"},
        "threshold": 1,
    }
    [warning] = validate(canary_object({"metrics": [metric]}), context(MetricTemplate=shelf)).warnings
    assert shown in warning
    assert "SECRET" not in warning


@pytest.mark.parametrize(
    ("other", "own", "path"),
    [
        (canary("a", "web"), canary("b", "web", apex="shop"), "spec.targetRef.name"),
        (canary("a", "web", apex="shop"), canary("b", "web-primary"), "spec.targetRef.name"),
        (canary("a", "web-primary", apex="x"), canary("b", "web"), "spec.targetRef.name"),
        (canary("a", "web"), canary("b", "cart", apex="web"), "spec.service.name"),
        (canary("a", "web", kind="DaemonSet"), canary("b", "web"), "spec.targetRef.name"),
        (canary("a", "web"), canary("b", "cart", apex="web-canary"), "spec.service.name"),
    ],
)
def test_what_another_canary_has_is_refused(other: Object, own: Object, path: str) -> None:
    answer = validate(own, context(Canary=Shelf(other)))
    assert answer.refusal is not None
    assert [cause.field for cause in answer.refusal.causes] == [path]
    assert "Canary a has web" in answer.refusal.message


@pytest.mark.parametrize(
    "other",
    [
        canary("b", "web"),
        canary("a", "shop"),
        canary("a", "web", apex="shop", kind="DaemonSet"),
        canary("a", "web", deletionTimestamp="2026-01-01T00:00:00Z"),
        {"metadata": {"name": "a", "namespace": "test"}, "spec": {"targetRef": []}},
    ],
    ids=["itself", "another workload", "another kind", "on its way out", "no target"],
)
def test_what_nobody_else_has_is_free(other: Object) -> None:
    assert validate(canary("b", "web"), context(Canary=Shelf(other))) == ALLOWED


def test_a_canary_that_shares_its_target_since_long_stays_editable_and_takes_no_other() -> None:
    cluster = context(Canary=Shelf(canary("a", "web"), canary("c", "cart")))
    old, new, worse = canary("b", "web"), canary("b", "web"), canary("b", "cart")
    new["spec"]["suspend"] = True
    edited = validate(new, cluster, old)
    assert edited.is_allowed
    assert [warning.split(":")[0] for warning in edited.warnings] == ["spec.targetRef.name"]
    assert validate(worse, cluster, old).refusal is not None


def test_claims_are_read_from_stored_and_from_parsed_canaries_alike() -> None:
    assert Claim.read(canary("b", "web", apex="shop")) == Claim("b", "Deployment", "web", "shop")
    assert Claim.read(canary("b", "web")) == Claim("b", "Deployment", "web", "web")
    assert Claim.read({"metadata": [], "spec": None}) is None


def with_scaler(name: str, target: str, scaler: str) -> Object:
    obj = canary(name, target)
    return obj | {"spec": obj["spec"] | {"autoscalerRef": {"kind": SCALER, "name": scaler}}}


def test_an_autoscaler_that_another_canary_has_is_refused() -> None:
    cluster = context(Canary=Shelf(slim_canary(with_scaler("a", "cart", "podinfo"))))
    answer = validate(with_scaler("b", "web", "podinfo"), cluster)
    assert answer.refusal is not None
    assert answer.refusal.message == (
        "Canary test/b is refused: 1 problem\n"
        "- spec.autoscalerRef.name: found 'podinfo'; allowed: an autoscaler that no other canary has; Canary a has "
        "HorizontalPodAutoscaler podinfo"
    )
    assert validate(with_scaler("b", "web", "web"), cluster).is_allowed
    assert validate(canary("b", "web"), cluster).is_allowed
    assert Claim.read(with_scaler("b", "web", "w")) == Claim("b", "Deployment", "web", "web", f"{SCALER} w")


def test_where_references_across_are_turned_off_each_is_refused_with_what_is_allowed() -> None:
    elsewhere = {"name": "x", "namespace": "infra"}
    obj = canary_object(
        {
            "metrics": [{"name": "own", "templateRef": elsewhere, "threshold": 1}],
            "alerts": [{"name": "on-call", "providerRef": elsewhere}],
        },
        upstreamRef={"apiVersion": "gloo.solo.io/v1", "kind": "Upstream"} | elsewhere,
    )
    answer = validate(obj, AdmissionContext(CanaryIndex(), allows_across=False))
    assert answer.refusal is not None
    rest = "found 'infra'; allowed: test, or nothing: references to other namespaces are turned off"
    assert [line for line in answer.refusal.message.splitlines() if "turned off" in line] == [
        f"- spec.upstreamRef.namespace: {rest} (no-cross-namespace-refs)",
        f"- {METRIC}.templateRef.namespace: {rest} (no-cross-namespace-refs)",
        f"- {ALERT}.providerRef.namespace: {rest} (no-cross-namespace-refs)",
    ]
    assert validate(obj, AdmissionContext(CanaryIndex())).is_allowed
