"""What blocks a canary, read from the caches: each with the path of the field that has to be mended."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.blockers import CachedCluster, find_blockers
from agent.caches import Caches
from agent.resources import ALERT_PROVIDERS, CANARIES, METRIC_TEMPLATES, ROUTE_TABLES, SCALED_OBJECTS, UPSTREAMS
from canary.api.partial import parse_partial
from canary.rules.cluster import Claim, Cluster
from canary.rules.references import Stage, check_references
from kube.resource import DAEMONSETS, DEPLOYMENTS, HPAS, Resource
from tests.support.podinfo import canary_object as podinfo_object
from tests.support.podinfo import podinfo_canary, podinfo_deployment
from tests.support.reviews import canary_object
from tests.unit.kube.apiserver import ManualTime, client_of, running_api_server

UPSTREAM = {"apiVersion": "gloo.solo.io/v1", "kind": "Upstream", "name": "tuned"}


class CachedObjects:
    """The agent's caches, and what is found in them for a canary `podinfo`."""

    def __init__(self, caches: Caches) -> None:
        self.caches = caches
        self.cluster: Cluster = CachedCluster(caches)

    def add(self, resource: Resource, name: str, *, namespace: str = "test", **metadata: Any) -> None:
        known = {"name": name, "namespace": namespace, "resourceVersion": "1", "uid": name} | metadata
        spec = podinfo_deployment()["spec"]
        spec["selector"]["matchLabels"] = {"app": name}
        spec["template"]["metadata"]["labels"] = {"app": name}
        self.caches.of(resource).remember({"kind": resource.kind, "metadata": known, "spec": spec})

    def add_workload(
        self, name: str, labels: dict[str, str], *, selector: dict[str, str] | None = None, owner: str = ""
    ) -> None:
        """Add a Deployment whose pods have these labels; it selects by all of them where nothing else is said."""
        workload = podinfo_deployment()
        workload["metadata"] |= {"name": name, "resourceVersion": "2", "uid": name}
        if owner:
            uid = "canary-uid" if owner == "podinfo" else f"of-{owner}"
            workload["metadata"]["ownerReferences"] = [
                {"kind": "Canary", "name": owner, "uid": uid, "controller": True}
            ]
        workload["spec"]["selector"]["matchLabels"] = labels if selector is None else selector
        workload["spec"]["template"]["metadata"]["labels"] = labels
        self.caches.of(DEPLOYMENTS).remember(workload)

    def add_of_canary(self, resource: Resource, name: str, *, canary: str, uid: str) -> None:
        owner = {"kind": "Canary", "name": canary, "uid": uid, "controller": True}
        self.add(resource, name, ownerReferences=[owner])

    def add_primary(self, *ports: str) -> None:
        primary = podinfo_deployment()
        owner = {"kind": "Canary", "name": "podinfo", "uid": "canary-uid", "controller": True}
        primary["metadata"] |= {"name": "podinfo-primary", "resourceVersion": "1", "ownerReferences": [owner]}
        primary["spec"]["selector"]["matchLabels"] = {"app": "podinfo-primary"}
        primary["spec"]["template"]["metadata"]["labels"] = {"app": "podinfo-primary"}
        container = primary["spec"]["template"]["spec"]["containers"][0]
        container["ports"] = [{"name": port, "containerPort": 9898} for port in ports]
        self.caches.of(DEPLOYMENTS).remember(primary)

    def blockers(self, service: dict[str, Any] | None = None, **spec: Any) -> list[tuple[str, str]]:
        canary = podinfo_canary(service=service or {}, **{"autoscalerRef": None} | spec)
        return [(str(blocker.reason), blocker.message) for blocker in find_blockers(canary, self.caches)]


@pytest.fixture
async def objects(tmp_path: Path) -> AsyncIterator[CachedObjects]:
    """Caches that hold the target, and nothing else."""
    async with running_api_server(tmp_path) as server, client_of(server, ManualTime()) as client:
        found = CachedObjects(Caches(client, ""))
        found.add(DEPLOYMENTS, "podinfo")
        yield found


@pytest.mark.parametrize(
    ("resource", "name", "service", "path"),
    [
        (DEPLOYMENTS, "podinfo-primary", {}, "spec.targetRef.name"),
        (DEPLOYMENTS, "podinfo-primary", {"name": "shop"}, "spec.targetRef.name"),
        (ROUTE_TABLES, "podinfo", {}, "spec.targetRef.name"),
        (ROUTE_TABLES, "shop", {"name": "shop"}, "spec.service.name"),
    ],
)
async def test_objects_of_another_canary_are_reported_with_the_field_that_names_them(
    objects: CachedObjects, resource: Resource, name: str, service: dict[str, Any], path: str
) -> None:
    objects.add_of_canary(resource, name, canary="twin", uid="of-twin")
    text = (
        f"Canary test/podinfo {path}: found {resource.kind} {name} of Canary twin, uid of-twin; allowed: "
        "a target and a service.name that no other Canary has (or had: its objects are still going)"
    )
    assert objects.blockers(service) == [("OwnedByOther", text)]


async def test_the_copy_of_an_autoscaler_that_another_canary_has_too_blocks_the_second(objects: CachedObjects) -> None:
    hpa = {"kind": "HorizontalPodAutoscaler", "name": "shared"}
    objects.add(HPAS, "shared")
    objects.add_of_canary(HPAS, "shared-primary", canary="twin", uid="of-twin")
    text = (
        "Canary test/podinfo spec.autoscalerRef.name: found HorizontalPodAutoscaler shared-primary of Canary twin, uid "
        "of-twin; allowed: an autoscaler that no other Canary has (or had: its objects are still going)"
    )
    assert objects.blockers(autoscalerRef=hpa) == [("OwnedByOther", text)]


async def test_own_objects_and_those_of_no_canary_block_nobody(objects: CachedObjects) -> None:
    objects.add_of_canary(DEPLOYMENTS, "podinfo-primary", canary="podinfo", uid="canary-uid")
    owner = {"kind": "HelmRelease", "name": "podinfo", "uid": "x", "controller": True}
    objects.add(ROUTE_TABLES, "podinfo", ownerReferences=[owner, owner | {"kind": "Canary", "controller": False}])
    assert objects.blockers() == []


SHOP = {"app": "podinfo", "component": "web"}
SHOP_PRIMARY = {"app": "podinfo-primary", "component": "web"}


async def test_a_primary_that_no_canary_made_is_named_and_not_adopted(objects: CachedObjects) -> None:
    objects.add_workload("podinfo-primary", {"app": "podinfo-primary"})
    text = (
        "Canary test/podinfo spec.targetRef.name: found Deployment test/podinfo-primary, which no Canary made; "
        "allowed: none, or one that this Canary controls: delete it, or choose another target; if Canary podinfo is "
        "to take it over as it is, make the Canary its controller in metadata.ownerReferences"
    )
    assert objects.blockers() == [("OwnedByOther", text)]


async def test_a_target_made_again_with_another_selector_is_unusable(objects: CachedObjects) -> None:
    objects.add_workload("podinfo-primary", {"app": "podinfo-primary"}, owner="podinfo")
    assert objects.blockers() == []
    objects.add_workload("podinfo", {"app": "podinfo-v2"})
    ((reason, message),) = objects.blockers()
    assert reason == "TargetUnusable"
    assert message.startswith(
        "Deployment test/podinfo spec.selector.matchLabels: found {'app': 'podinfo-v2'}; allowed: labels that match "
        "{'app': 'podinfo-primary'} once app is renamed to 'podinfo-v2-primary'"
    )


@pytest.mark.parametrize("replicas", [0, 2])
async def test_an_unrelated_workload_that_a_side_would_select_is_named(objects: CachedObjects, replicas: int) -> None:
    objects.add_workload("worker", {"app": "podinfo", "role": "worker"})
    text = (
        "Canary test/podinfo spec.targetRef.name: found Deployment test/worker, whose pods match {'app': 'podinfo'}, "
        "the selector of the canary side's Service; allowed: a target whose spec.selector.matchLabels no pods of "
        "other workloads have"
    )
    worker = objects.caches.of(DEPLOYMENTS).get("test", "worker")
    assert worker is not None
    worker["spec"]["replicas"] = replicas
    assert objects.blockers() == [("TargetUnusable", text)]
    objects.add_workload("podinfo", SHOP)
    assert objects.blockers() == [], "all of the labels tell them apart"


async def test_two_sides_of_two_canaries_are_told_apart_by_all_their_labels(objects: CachedObjects) -> None:
    objects.add_workload("podinfo", SHOP)
    worker = SHOP | {"component": "worker"}
    objects.add_workload("worker", worker)
    objects.add_workload("worker-primary", worker | {"app": "podinfo-primary"}, owner="worker")
    assert objects.blockers() == []


async def test_old_primaries_that_share_their_one_label_block_each_other(objects: CachedObjects) -> None:
    one = {"app": "podinfo-primary"}
    objects.add_workload("podinfo", SHOP)
    objects.add_workload("podinfo-primary", SHOP_PRIMARY, selector=one, owner="podinfo")
    objects.add_workload("worker-primary", {**one, "component": "worker"}, selector=one, owner="worker")
    ((reason, message),) = objects.blockers()
    assert reason == "TargetUnusable"
    assert (
        "found Deployment test/worker-primary, whose pods match {'app': 'podinfo-primary'}, the selector of the "
        "primary side's Service"
    ) in message


async def test_no_primary_is_made_whose_pods_another_canarys_primary_would_take(objects: CachedObjects) -> None:
    objects.add_workload("podinfo", SHOP)
    one = {"app": "podinfo-primary"}
    objects.add_workload("worker-primary", {**one, "component": "worker"}, selector=one, owner="worker")
    ((reason, message),) = objects.blockers()
    assert reason == "TargetUnusable"
    assert (
        "found Deployment test/worker-primary of another Canary, whose selector {'app': 'podinfo-primary'} pods of "
        "Deployment test/podinfo-primary match"
    ) in message


async def test_a_target_port_by_name_is_one_of_both_sides(objects: CachedObjects) -> None:
    allowed = "allowed: a number, or the name of a container port of Deployment"
    ((reason, message),) = objects.blockers({"targetPort": "web"})
    assert reason == "TargetPortNotFound"
    assert message.startswith(f"Canary test/podinfo spec.service.targetPort: found 'web'; {allowed} podinfo (")
    assert objects.blockers({"targetPort": "http"}) == []
    objects.add_primary("old")
    ((_, message),) = objects.blockers({"targetPort": "http"})
    assert message.endswith(f"found 'http'; {allowed} podinfo-primary (old)")
    assert len(objects.blockers({"targetPort": "web"})) == 2
    assert objects.blockers({"targetPort": 9898}) == []


@pytest.mark.parametrize(
    ("spec", "reason", "path", "kind"),
    [
        ({"targetRef": {"kind": "Deployment", "name": "absent"}}, "TargetNotFound", "targetRef", "a Deployment"),
        ({"targetRef": {"kind": "DaemonSet", "name": "absent"}}, "TargetNotFound", "targetRef", "a DaemonSet"),
        (
            {"autoscalerRef": {"kind": "HorizontalPodAutoscaler", "name": "absent"}},
            "ScalerNotFound",
            "autoscalerRef",
            "a HorizontalPodAutoscaler",
        ),
        (
            {"autoscalerRef": {"kind": "ScaledObject", "name": "absent"}},
            "ScalerNotFound",
            "autoscalerRef",
            "a ScaledObject",
        ),
        ({"upstreamRef": UPSTREAM | {"name": "absent"}}, "UpstreamNotFound", "upstreamRef", "an Upstream"),
    ],
)
async def test_an_object_that_is_missing_blocks_until_it_is_there(
    objects: CachedObjects, spec: dict[str, Any], reason: str, path: str, kind: str
) -> None:
    text = (
        f"Canary test/podinfo spec.{path}.name: found 'absent'; allowed: the name of {kind} in namespace test, "
        "and there is none of this name"
    )
    assert objects.blockers(**spec) == [(reason, text)]
    resources = (DEPLOYMENTS, DAEMONSETS, HPAS, SCALED_OBJECTS, UPSTREAMS)
    objects.add(next(resource for resource in resources if kind.endswith(resource.kind)), "absent")
    assert objects.blockers(**spec) == []


async def test_a_target_that_is_being_deleted_is_none(objects: CachedObjects) -> None:
    objects.add(DEPLOYMENTS, "podinfo", resourceVersion="2", deletionTimestamp="2026-01-01T00:00:00Z")
    ((reason, _),) = objects.blockers({"targetPort": "web"})
    assert reason == "TargetNotFound"


async def test_an_upstream_may_be_in_another_namespace(objects: CachedObjects) -> None:
    spec = {"upstreamRef": UPSTREAM | {"namespace": "shared"}}
    ((_, message),) = objects.blockers(**spec)
    assert message.endswith("the name of an Upstream in namespace shared, and there is none of this name")
    objects.add(UPSTREAMS, "tuned", namespace="shared")
    assert objects.blockers(**spec) == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"targetRef": {"kind": "StatefulSet", "name": "podinfo"}}, "TargetKindUnsupported"),
        ({"autoscalerRef": {"kind": "Job", "name": "podinfo"}}, "ScalerKindUnsupported"),
    ],
)
async def test_a_kind_that_is_not_supported_blocks(objects: CachedObjects, spec: dict[str, Any], reason: str) -> None:
    """A spec that was stored invalid is read in part."""
    canary = parse_partial(podinfo_object(**{"autoscalerRef": None} | spec))
    assert canary is not None
    assert [blocker.reason for blocker in find_blockers(canary, objects.caches)] == [reason]


async def test_what_only_a_check_or_an_alert_needs_blocks_nobody(objects: CachedObjects) -> None:
    metric = {"name": "own", "templateRef": {"name": "absent"}, "threshold": 1}
    alert = {"name": "on-call", "providerRef": {"name": "absent"}}
    assert objects.blockers(analysis={"stepWeight": 5, "metrics": [metric], "alerts": [alert]}) == []


@pytest.mark.parametrize(
    ("provider", "reason", "words"),
    [
        (None, "MetricTemplateNotFound", "the name of a MetricTemplate in namespace test, and there is none"),
        (
            {"type": "prometheus"},
            "MetricTemplateUnusable",
            "found 'own'; allowed: a template that can be asked; MetricTemplate test/own: spec.provider.address: found",
        ),
        ({"type": "abacus"}, "MetricTemplateUnusable", "MetricTemplate test/own: spec.provider.type: found 'abacus'"),
        ({"type": "prometheus", "address": "http://prometheus:9090"}, "", ""),
    ],
)
async def test_a_template_that_can_not_be_asked_keeps_runs_from_beginning(
    objects: CachedObjects, provider: dict[str, str] | None, reason: str, words: str
) -> None:
    metric = {"name": "own", "templateRef": {"name": "own"}, "threshold": 1}
    canary = podinfo_canary(autoscalerRef=None, analysis={"stepWeight": 5, "metrics": [metric]})
    if provider is not None:
        metadata = {"name": "own", "namespace": "test", "resourceVersion": "1"}
        template = {"metadata": metadata, "spec": {"provider": provider, "query": "sum(up)"}}
        objects.caches.of(METRIC_TEMPLATES).remember(template)
    assert find_blockers(canary, objects.caches) == ()
    found = find_blockers(canary, objects.caches, Stage.START)
    assert [str(blocker.reason) for blocker in found] == ([reason] if reason else [])
    assert all(words in blocker.message for blocker in found)
    assert all("test/podinfo spec.analysis.metrics[0].templateRef.name: found" in blocker.message for blocker in found)
    admitted = list(check_references(canary, objects.cluster, Stage.ADMISSION))
    assert [(str(problem.reason), problem.is_warning) for problem in admitted] == ([(reason, True)] if reason else [])


@pytest.mark.parametrize(
    ("namespace", "query", "variables", "fault"),
    [
        ("test", "x{{ variables.code }}", {}, "{{ variables.code }}"),
        ("test", "x{{ nothing }}", {}, "{{ nothing }}"),
        ("vault", "x{{ secret_of_the_vault }}", {}, "has a spec.query whose braces can't be filled in"),
        ("test", "x{{ variables.code }}", {"code": "404"}, ""),
        # What PromQL it is, the server decides.
        ("test", "x{{ variables.code }}(", {"code": "404"}, ""),
    ],
)
async def test_a_template_that_can_not_be_filled_in_keeps_runs_from_beginning(
    objects: CachedObjects, namespace: str, query: str, variables: dict[str, str], fault: str
) -> None:
    reference = {"name": "own", "namespace": namespace}
    metric = {"name": "own", "templateRef": reference, "templateVariables": variables, "threshold": 1}
    metadata = {"name": "own", "namespace": namespace, "resourceVersion": "1"}
    provider = {"type": "prometheus", "address": "http://prometheus:9090"}
    template = {"metadata": metadata, "spec": {"provider": provider, "query": query}}
    objects.caches.of(METRIC_TEMPLATES).remember(template)
    for dry_run, is_told in ((False, bool(fault)), (True, False)):
        metrics = [metric | {"dryRun": dry_run}]
        canary = podinfo_canary(autoscalerRef=None, analysis={"stepWeight": 5, "metrics": metrics})
        found = find_blockers(canary, objects.caches, Stage.START)
        assert [str(one.reason) for one in found] == ["MetricTemplateUnusable"] * is_told
        assert all("spec.analysis.metrics[0].templateVariables" in one.message for one in found)
        assert all(f"MetricTemplate {namespace}/own" in one.message and fault in one.message for one in found)
        assert not any("secret_of_the_vault" in one.message for one in found)


@pytest.mark.parametrize(
    ("provider", "query", "fault"),
    [
        ({"type": "cloudwatch"}, '[{"Id": "{{ name }}"]', "the query is no JSON (line 1, column "),
        ({"type": "cloudwatch"}, '{"Id": "m1"}', "the query is no list; allowed: a list of metric data queries"),
        ({"type": "cloudwatch"}, '[{"Id": "m1", "Period": 60}]', ""),
        ({"type": "keptn"}, "keptnmetric/shop/errors", "asks for namespace 'shop'; allowed: test, the template's own"),
        ({"type": "keptn"}, "errors", "the query asks for 'errors'; allowed: keptnmetric/NAMESPACE/NAME"),
        ({"type": "keptn"}, "keptnmetric/{{ namespace }}/errors", ""),
        ({"type": "externalmetrics"}, "errors", "asks for namespace 'default'; allowed without an address: test"),
        ({"type": "externalmetrics", "address": "https://keda"}, "shop/errors", ""),
        ({"type": "graphite", "address": "http://g"}, "sumSeries(a)", "the query has no target; allowed: target="),
    ],
)
async def test_a_query_that_can_never_be_asked_keeps_runs_from_beginning(
    objects: CachedObjects, provider: dict[str, str], query: str, fault: str
) -> None:
    region = {"region": "eu-west-1"} if provider["type"] == "cloudwatch" else {}
    for namespace in ("test", "vault") if fault else ("test",):
        text = query if namespace == "test" else query.replace("{{ namespace }}", "shop")
        metadata = {"name": "own", "namespace": namespace, "resourceVersion": "1"}
        template = {"metadata": metadata, "spec": {"provider": provider | region, "query": text}}
        objects.caches.of(METRIC_TEMPLATES).remember(template)
        metric = {"name": "own", "templateRef": {"name": "own", "namespace": namespace}, "threshold": 1}
        canary = podinfo_canary(autoscalerRef=None, analysis={"stepWeight": 5, "metrics": [metric]})
        found = find_blockers(canary, objects.caches, Stage.START)
        assert [str(one.reason) for one in found] == ["MetricTemplateUnusable"] * bool(fault)
        said = fault if namespace == "test" else "MetricTemplate vault/own spec.query: its query is none that is asked"
        assert all(said in one.message for one in found)
        admitted = list(check_references(canary, objects.cluster, Stage.ADMISSION))
        assert [problem.is_warning for problem in admitted] == [True] * bool(fault)


async def test_the_caches_know_all_that_references_ask_for(objects: CachedObjects) -> None:
    cluster = objects.cluster
    for resource in (METRIC_TEMPLATES, ALERT_PROVIDERS):
        assert cluster.has(resource.kind, "test", "there") is False
        objects.add(resource, "there")
        assert cluster.has(resource.kind, "test", "there")
    assert cluster.has("Secret", "test", "there") is None
    template = cluster.metric_template("test", "there")
    assert template is not None
    assert template["metadata"]["name"] == "there"
    objects.caches.of(CANARIES).remember(_stored(canary_object("twin")))
    assert list(cluster.claims("test")) == [Claim("twin", "Deployment", "twin", "twin")]
    assert cluster.port_names("Upstream", "test", "podinfo") is None


def _stored(obj: dict[str, Any]) -> dict[str, Any]:
    return obj | {"metadata": obj["metadata"] | {"resourceVersion": "1", "uid": "stored-uid"}}
