"""The primary workload, the patch that promotes it, and its template compared."""

from copy import deepcopy
from typing import Any

import pytest

from render.config_refs import ConfigRef
from render.objects import UnusableObjectError
from render.workload import (
    bootstrap_replicas,
    is_primary_template,
    primary_workload,
    promoted_replicas,
    promotion_patch,
)
from tests.support.json_patch import PatchRefused, apply_patch
from tests.support.podinfo import podinfo_canary, podinfo_daemonset, podinfo_deployment, stored


def render(target: dict[str, Any], *, replicas: int | None = None, **options: Any) -> dict[str, Any]:
    template = target["spec"]["template"]
    return primary_workload(podinfo_canary(), target, template, revision="r1", replicas=replicas, **options)


def test_primary_is_the_target_with_its_label_renamed() -> None:
    primary = render(podinfo_deployment(), replicas=2)
    assert primary["kind"] == "Deployment"
    assert primary["metadata"]["name"] == "podinfo-primary"
    assert primary["metadata"]["labels"] == {"app": "podinfo-primary"}
    assert primary["spec"]["selector"] == {"matchLabels": {"app": "podinfo-primary"}}
    assert primary["spec"]["template"]["metadata"] == {
        "labels": {"app": "podinfo-primary"},
        "annotations": {"prometheus.io/scrape": "true"},
    }
    target = podinfo_deployment()["spec"]
    assert primary["spec"]["template"]["spec"] == target["template"]["spec"]
    for field in ("strategy", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds", "replicas"):
        assert primary["spec"][field] == target[field]


def test_a_new_primary_has_all_of_the_targets_labels_one_of_them_renamed() -> None:
    target = podinfo_deployment()
    labels = {"app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "a"}
    target["spec"]["selector"]["matchLabels"] = labels
    target["spec"]["template"]["metadata"]["labels"] = labels | {"version": "3"}
    primary = render(target)
    of_primary = {"app.kubernetes.io/name": "shop-primary", "app.kubernetes.io/instance": "a"}
    assert primary["spec"]["selector"] == {"matchLabels": of_primary}
    assert primary["spec"]["template"]["metadata"]["labels"] == of_primary | {"version": "3"}


def test_a_label_that_is_too_long_to_be_renamed_is_cut_the_same_way_everywhere() -> None:
    target = podinfo_deployment()
    value = "a" * 57
    target["spec"]["selector"]["matchLabels"] = {"app": value}
    target["spec"]["template"]["metadata"]["labels"] = {"app": value}
    primary = render(target)
    of_primary = primary["spec"]["selector"]["matchLabels"]["app"]
    assert of_primary == f"{'a' * 46}-f13b2d72-primary"
    assert len(of_primary) == 63
    assert primary["spec"]["template"]["metadata"]["labels"] == {"app": of_primary}
    assert primary["metadata"]["labels"] == {"app": of_primary}


def test_primary_belongs_to_the_canary() -> None:
    assert render(podinfo_deployment())["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "flagger.app/v1beta1",
            "kind": "Canary",
            "name": "podinfo",
            "uid": "canary-uid",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_rendering_leaves_the_target_as_it_is() -> None:
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [_term("app", "podinfo")]}}
    target = podinfo_deployment(affinity=affinity)
    before = deepcopy(target)
    render(target)
    assert target == before


def test_replicas_are_left_out_when_a_scaler_drives_them() -> None:
    assert "replicas" not in render(podinfo_deployment(), replicas=None)["spec"]


@pytest.mark.parametrize(("replicas", "expected"), [({"replicas": 3}, 3), ({"replicas": 0}, 1), ({}, 1)])
def test_new_primary_gets_the_targets_replicas_but_at_least_one(replicas: dict[str, int], expected: int) -> None:
    assert bootstrap_replicas({"spec": replicas}) == expected


def test_only_annotations_that_are_true_of_the_primary_are_copied() -> None:
    target = podinfo_deployment()
    target["metadata"]["annotations"] = {
        "reloader.stakater.com/auto": "true",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "deployment.kubernetes.io/revision": "4",
        "serin.dev/revision": "mark-of-the-target",
        "serin.dev/changed-by": "somebody",
        "kustomize.toolkit.fluxcd.io/checksum": "1",
        "meta.helm.sh/release-name": "podinfo",
        "argocd.argoproj.io/tracking-id": "podinfo:apps/Deployment:test/podinfo",
    }
    annotations = render(target)["metadata"]["annotations"]
    assert annotations == {"reloader.stakater.com/auto": "true", "serin.dev/revision": "r1"}


def test_template_may_come_from_a_replica_set() -> None:
    target = podinfo_deployment()
    template = deepcopy(target["spec"]["template"])
    template["metadata"]["labels"]["pod-template-hash"] = "5d4f8"
    template["metadata"]["creationTimestamp"] = None
    primary = primary_workload(podinfo_canary(), target, template, revision="r1", replicas=None)
    assert primary["spec"]["template"] == render(target)["spec"]["template"]


def test_another_kind_of_target_is_refused() -> None:
    with pytest.raises(UnusableObjectError, match=r"StatefulSet test/podinfo kind: .* Deployment or DaemonSet"):
        render(podinfo_deployment() | {"kind": "StatefulSet"})


def _term(key: str, value: str) -> dict[str, Any]:
    expression = {"key": key, "operator": "In", "values": [value]}
    return {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchExpressions": [expression]}}


def _selected(term: dict[str, Any]) -> Any:
    return term["labelSelector"]["matchExpressions"][0]["values"]


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
def test_terms_for_the_targets_own_pods_are_turned_to_the_primarys(kind: str) -> None:
    terms = [_term("app", "podinfo"), _term("app", "another"), _term("tier", "podinfo")]
    affinity = {
        kind: {
            "requiredDuringSchedulingIgnoredDuringExecution": terms,
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 1, "podAffinityTerm": deepcopy(term)} for term in terms
            ],
        }
    }
    rules = render(podinfo_deployment(affinity=affinity))["spec"]["template"]["spec"]["affinity"][kind]
    required = rules["requiredDuringSchedulingIgnoredDuringExecution"]
    preferred = [weighted["podAffinityTerm"] for weighted in rules["preferredDuringSchedulingIgnoredDuringExecution"]]
    for terms in (required, preferred):
        assert [_selected(term) for term in terms] == [["podinfo-primary"], ["another"], ["podinfo"]]


def test_topology_spread_counts_the_primarys_pods() -> None:
    constraint = {"maxSkew": 1, "labelSelector": {"matchLabels": {"app": "podinfo", "tier": "web"}}}
    spec = render(podinfo_deployment(topologySpreadConstraints=[constraint]))["spec"]["template"]["spec"]
    selector = spec["topologySpreadConstraints"][0]["labelSelector"]
    assert selector == {"matchLabels": {"app": "podinfo-primary", "tier": "web"}}


def test_config_references_point_to_the_copies_and_others_stay() -> None:
    target = podinfo_deployment(
        volumes=[
            {"name": "a", "configMap": {"name": "conf"}},
            {"name": "b", "secret": {"secretName": "keys"}},
            {"name": "c", "projected": {"sources": [{"configMap": {"name": "conf"}}, {"secret": {"name": "keys"}}]}},
            {"name": "d", "configMap": {"name": "untracked"}},
            {"name": "e", "emptyDir": {}},
        ],
        initContainers=[{"name": "init", "envFrom": [{"configMapRef": {"name": "conf"}}]}],
    )
    target["spec"]["template"]["spec"]["containers"][0] |= {
        "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "a"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "conf", "key": "a"}}},
            {"name": "C", "value": "c"},
        ],
        "envFrom": [{"secretRef": {"name": "keys"}}],
    }
    copies = {ConfigRef("ConfigMap", "conf"): "conf-primary", ConfigRef("Secret", "keys"): "keys-primary"}
    spec = render(target, config_copies=copies)["spec"]["template"]["spec"]
    assert spec["volumes"] == [
        {"name": "a", "configMap": {"name": "conf-primary"}},
        {"name": "b", "secret": {"secretName": "keys-primary"}},
        {
            "name": "c",
            "projected": {"sources": [{"configMap": {"name": "conf-primary"}}, {"secret": {"name": "keys-primary"}}]},
        },
        {"name": "d", "configMap": {"name": "untracked"}},
        {"name": "e", "emptyDir": {}},
    ]
    container = spec["containers"][0]
    assert container["env"][0]["valueFrom"]["configMapKeyRef"]["name"] == "conf-primary"
    assert container["env"][1]["valueFrom"]["secretKeyRef"]["name"] == "conf"
    assert container["envFrom"] == [{"secretRef": {"name": "keys-primary"}}]
    assert spec["initContainers"][0]["envFrom"] == [{"configMapRef": {"name": "conf-primary"}}]


def test_primary_daemonset_runs_although_the_target_is_scaled_to_zero() -> None:
    target = podinfo_daemonset(nodeSelector={"disk": "ssd", "flagger.app/scale-to-zero": "true"})
    primary = render(target, replicas=1)
    assert primary["kind"] == "DaemonSet"
    assert primary["spec"]["updateStrategy"] == {"type": "RollingUpdate"}
    assert primary["spec"]["template"]["spec"]["nodeSelector"] == {"disk": "ssd"}
    assert "replicas" not in primary["spec"]


def test_daemonset_that_waits_for_its_pods_to_be_deleted_is_refused() -> None:
    target = podinfo_daemonset()
    target["spec"]["updateStrategy"] = {"type": "OnDelete"}
    with pytest.raises(UnusableObjectError, match=r"spec\.updateStrategy\.type: found 'OnDelete'; allowed: Rolling"):
        render(target)


def test_promotion_gives_the_primary_exactly_the_new_template_and_keeps_what_is_not_ours() -> None:
    primary = stored(render(podinfo_deployment(), replicas=2))
    primary["spec"]["replicas"] = 5
    primary["metadata"]["annotations"] |= {"deployment.kubernetes.io/revision": "1", "note": "mine"}
    primary["spec"]["template"]["spec"]["containers"].append({"name": "left-over", "image": "old"})
    target = podinfo_deployment()
    target["spec"]["template"]["spec"]["containers"][0]["image"] = "stefanprodan/podinfo:3.1.1"
    target["spec"]["minReadySeconds"] = 9
    del target["spec"]["progressDeadlineSeconds"]
    rendered = primary_workload(podinfo_canary(), target, target["spec"]["template"], revision="r2", replicas=None)

    promoted = apply_patch(primary, promotion_patch(primary, rendered))

    assert promoted["spec"] == rendered["spec"] | {"replicas": 5}
    assert promoted["metadata"]["annotations"] == {
        "serin.dev/revision": "r2",
        "deployment.kubernetes.io/revision": "1",
        "note": "mine",
    }
    assert is_primary_template(promoted, rendered)
    assert not is_primary_template(primary, rendered)


@pytest.mark.parametrize("change", [{"generation": 2}, {"uid": "of a namesake"}])
def test_promotion_is_refused_when_the_primary_is_no_longer_the_one_seen(change: dict[str, Any]) -> None:
    primary = stored(render(podinfo_deployment()))
    operations = promotion_patch(primary, render(podinfo_deployment()))
    with pytest.raises(PatchRefused):
        apply_patch(primary | {"metadata": primary["metadata"] | change}, operations)


def test_flaggers_random_id_is_no_difference_between_templates() -> None:
    rendered = render(podinfo_deployment())
    taken_over = stored(rendered)
    taken_over["spec"]["template"]["metadata"]["annotations"]["flagger-id"] = "a2f3"
    assert is_primary_template(taken_over, rendered)


def test_a_promotion_of_nothing_but_configuration_rolls_the_primarys_pods() -> None:
    target = podinfo_deployment()
    template = target["spec"]["template"]

    def of(revision: str) -> dict[str, Any]:
        return primary_workload(podinfo_canary(), target, template, revision=revision, replicas=None)

    primary = stored(of("0123456789abcdef-00000001"))
    promoted = apply_patch(primary, promotion_patch(primary, of("0123456789abcdef-00000002")))
    assert promoted["spec"]["template"] != primary["spec"]["template"]
    assert promoted["spec"]["template"]["metadata"]["annotations"]["serin.dev/config"] == "00000002"
    assert is_primary_template(primary, promoted), "it is the same template for all that"


def test_pods_without_tracked_configuration_are_not_annotated() -> None:
    annotations = render(podinfo_deployment())["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {"prometheus.io/scrape": "true"}


@pytest.mark.parametrize(("replicas", "expected"), [({"replicas": 3}, 3), ({"replicas": 0}, None), ({}, 1)])
def test_a_promotion_gives_the_primary_the_targets_replicas(replicas: dict[str, int], expected: int | None) -> None:
    target = podinfo_deployment()
    target["spec"] = {key: value for key, value in target["spec"].items() if key != "replicas"} | replicas
    assert promoted_replicas(podinfo_canary(autoscalerRef=None), target) == expected
    assert promoted_replicas(podinfo_canary(), target) is None, "its scaler decides"
    assert promoted_replicas(podinfo_canary(autoscalerRef=None), target, is_scaled_by_others=True) is None


def test_rendered_replicas_are_promoted() -> None:
    primary = stored(render(podinfo_deployment(), replicas=2))
    rendered = render(podinfo_deployment(), replicas=4)
    assert apply_patch(primary, promotion_patch(primary, rendered))["spec"]["replicas"] == 4
