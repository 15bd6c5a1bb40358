"""`serin migrate` with a cluster: the steps of this one, and what is in their way."""

import json

import pytest

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Serin
from tests.unit.cli.flaggers_objects import HELM, crd, flagger, flaggers
from tests.unit.cli.installed import GLOO, deployment


def test_the_steps_are_those_of_this_cluster(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", flaggers())
    api.put("canaries", flaggers("web", phase="Progressing"))
    api.put("deployments", flagger(GLOO))
    server = deployment("flagger-prometheus", "prom/prometheus:v3")
    server["metadata"] |= {"annotations": HELM, "labels": {"app.kubernetes.io/name": "flagger"}}
    api.put("deployments", server)
    kept = {**HELM, "helm.sh/resource-policy": "keep"}
    api.put("customresourcedefinitions", crd(kept))
    ran = serin("migrate", "-A")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.splitlines() == [
        "found Flagger: gloo-system/flagger",
        "wait          status.phase: Progressing: its run is rolled back: nobody knows what Flagger's checks said",
        "              test/web",
        "              $ kubectl -n test wait canary/web --for=condition=promoted --timeout=30m",
        "",
        "Steps",
        "1. Wait for the runs under way, or accept that they are rolled back",
        "   $ kubectl get canaries -A -w",
        "2. Take the CRDs out of Flagger's release, or it puts its own back",
        "   $ helm -n gloo-system upgrade flagger flagger/flagger --reuse-values --set crd.create=false",
        "3. Install Serin with the values of Flagger's release",
        "   $ helm -n gloo-system get values flagger -o yaml > flagger-values.yaml",
        (
            "   $ helm upgrade -i serin charts/serin --namespace gloo-system -f flagger-values.yaml "
            "--take-ownership --set "
            "crd.adopt=true --set prometheus.install=false --set "
            "metricsServer=http://flagger-prometheus.gloo-system:9090"
        ),
        "4. Stop Flagger: traffic stays as it is",
        "   $ kubectl -n gloo-system scale deployment/flagger --replicas=0",
        "5. See that all is well, and every canary taken over",
        "   $ serin doctor -A --wait",
        "   $ kubectl get events -A --field-selector involvedObject.kind=Canary | grep 'Taken over'",
        "6. Release something small, and see it promoted",
        "   $ serin status NAME --wait",
        "7. Remove Flagger, and never its CRDs",
        "   $ helm -n gloo-system uninstall flagger",
        "   $ kubectl get crds | grep flagger.app",
        "8. Its Prometheus went with its release: bring Serin's",
        (
            "   $ helm upgrade -i serin charts/serin --namespace gloo-system --reuse-values --set "
            "prometheus.install=true "
            "--set metricsServer="
        ),
        "",
        "Back to Flagger",
        "1. Stop Serin",
        "   $ kubectl -n gloo-system scale deployment/serin-agent --replicas=0",
        "2. Flagger begins a run of every canary; to have it promoted at once, until it is Succeeded",
        '   $ kubectl -n NAMESPACE patch canary NAME --type=merge -p \'{"spec": {"skipAnalysis": true}}\'',
        "3. Start Flagger",
        "   $ kubectl -n gloo-system scale deployment/flagger --replicas=1",
        "",
        "2 canaries, 1 taken over as they are, 1 with a run under way, 0 to be changed first",
    ]
    assert all(one.startswith("GET") for one in api.requests)


def test_flaggers_settings_of_labels_are_carried_over(api: ClusterApi, serin: Serin) -> None:
    """By its release's values, else by the flags of the Deployment; they change nothing for anybody."""
    api.put("canaries", flaggers())
    flags = ("-selector-labels=k8s-app,app", "-include-label-prefix=team,app.kubernetes.io/")
    api.put("deployments", flagger(GLOO, *flags, release=False))
    said = json.loads(serin("migrate", "-o", "json").stdout)
    assert said["installation"] == []
    [install] = [step["type"] for step in said["steps"] if step["do"] == "Install Serin"]
    assert install == [
        "kubectl apply -k manifests/default",
        (
            "kubectl -n gloo-system patch deployment serin-agent --type=json -p '["
            '{"op": "add", "path": "/spec/template/spec/containers/0/args/-", '
            '"value": "--selector-labels=k8s-app,app"}, '
            '{"op": "add", "path": "/spec/template/spec/containers/0/args/-", '
            '"value": "--include-label-prefix=team,app.kubernetes.io/"}'
            "]'"
        ),
    ]
    api.put("deployments", flagger(GLOO, *flags))
    steps = json.loads(serin("migrate", "-o", "json").stdout)["steps"]
    assert not [command for step in steps for command in step["type"] if " patch deployment " in command]


def test_a_flagger_that_serin_does_not_look_for_is_stopped_before_serin_comes(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", flaggers())
    api.put("deployments", flagger("tools", release=False))
    steps = json.loads(serin("migrate", "-o", "json").stdout)["steps"]
    assert [step["do"] for step in steps[:2]] == ["Stop Flagger: traffic stays as it is", "Install Serin"]
    assert steps[0]["type"] == ["kubectl -n tools scale deployment/flagger --replicas=0"]
    assert steps[-1]["type"][0] == "kubectl -n tools delete deployment flagger"


def test_crds_that_a_release_would_delete_are_in_the_way(api: ClusterApi, serin: Serin) -> None:
    api.put("canaries", flaggers())
    api.put("deployments", flagger(GLOO, "-include-label-prefix=team*", "-kubeconfig-service-mesh=/tmp/mesh"))
    api.put("customresourcedefinitions", crd(HELM))
    ran = serin("migrate", "-o", "json")
    assert ran.code == 1
    said = json.loads(ran.stdout)
    assert [(one["path"], one["mend"]) for one in said["installation"]] == [
        (
            "CustomResourceDefinition canaries.flagger.app",
            "helm -n gloo-system upgrade flagger flagger/flagger --reuse-values",
        ),
        ("gloo-system/flagger -include-label-prefix", ""),
        ("gloo-system/flagger -kubeconfig-service-mesh", ""),
    ]
    assert said["installation"][1]["text"].startswith("found 'team*'; allowed: what keys of labels begin with, ")
    assert said["steps"][0] == {
        "do": "Change what is marked `change first`, and look again",
        "type": ["serin migrate -n test"],
    }
    assert not any("crd.create=false" in command for step in said["steps"] for command in step["type"])


@pytest.mark.parametrize(
    ("phase", "serin_status", "run"),
    [
        ("Initialized", {}, "all objects are kept; no run begins"),
        ("WaitingPromotion", {}, "its run is rolled back: nobody knows what Flagger's checks said"),
        ("Finalising", {}, "its promotion is completed"),
        ("Failed", {}, "its failed revision stays failed"),
        ("Initializing", {}, "its bootstrap goes on"),
        ("", {}, "it is initialized"),
        ("Progressing", {"serin": {"sequence": 3}}, "it is Serin's already"),
    ],
)
def test_what_becomes_of_a_canary_depends_on_its_phase(
    api: ClusterApi, serin: Serin, phase: str, serin_status: Object, run: str
) -> None:
    canary = flaggers(phase=phase)
    canary["status"] |= serin_status
    api.put("canaries", canary)
    api.refused |= {"deployments", "customresourcedefinitions"}
    said = json.loads(serin("migrate", "-o", "json").stdout)
    assert [one["takeover"] for one in said["canaries"]] == [run]
    assert said["notChecked"] == [
        "you may not get customresourcedefinitions",
        "you may not list deployments in all namespaces",
        "you may not list deployments in namespace flagger-system",
        "you may not list deployments in namespace gloo-system",
        "found no Deployment of Flagger",
    ]


def test_many_canaries_with_one_fault_are_told_once(api: ClusterApi, serin: Serin) -> None:
    for number in range(300):
        canary = flaggers(f"c{number:04}")
        canary["spec"]["service"]["timeout"] = "5s"
        api.put("canaries", canary)
    lines = serin("migrate", "-A").stdout.splitlines()
    assert len(lines) < 40
    assert "              test/c0000, test/c0001, test/c0002 and 297 more" in lines
