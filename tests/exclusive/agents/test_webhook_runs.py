"""The webhook beside what else acts on a target in a run: the real HPA controller, and an agent that was away."""

import pytest

from canary.run.mark import Mark
from canary.run.revision import revision_of
from tests.support.applying import Kubectl, scaled_to
from tests.support.cluster import Cluster
from tests.support.detected import detected
from tests.support.replicas import Replicas
from tests.support.rollout import Rollouts, canary, hpa, podinfo

pytestmark = [pytest.mark.usefixtures("patient_webhook")]

AUTOSCALER = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "name": "app"}
UPGRADE = "podinfod image 3.1.0 -> 3.1.1"
SCALING = "validate/scaling"
WORKLOADS = "mutate/workloads"


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    return Kubectl(cluster, namespace)


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


def test_the_hpa_controller_scales_under_a_run_unasked_and_a_user_is_warned(
    kubectl: Kubectl, rollouts: Rollouts
) -> None:
    replicas = Replicas(kubectl.cluster)
    rollouts.apply(podinfo("app"), hpa("app"), canary("app", {"interval": "1m"}, autoscalerRef=AUTOSCALER))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for_phase("app", "Progressing")
    rollouts.wait_for("the target is up", lambda: scale(rollouts) == 1)
    asked = sum(replicas.asked(SCALING))

    # Metrics are not served here; an HPA keeps to its bounds without them.
    kubectl("patch", "hpa/app", "--patch", '{"spec": {"minReplicas": 2}}')
    rollouts.wait_for("the HPA controller has scaled the target", lambda: scale(rollouts) == 2)
    assert scaled_by(rollouts) == "kube-controller-manager"
    assert rollouts.status("app")["phase"] == "Progressing"
    assert sum(replicas.asked(SCALING)) == asked

    [warning] = kubectl("scale", "deployment/app", "--replicas=1").warnings
    assert warning.startswith(f"Canary {kubectl.namespace}/app is Progressing: scaling Deployment app from 2 to 1")
    assert sum(replicas.asked(SCALING)) == asked + 1


def test_what_the_agent_writes_is_not_asked_about(kubectl: Kubectl, rollouts: Rollouts) -> None:
    """Of workloads it makes the primary, and scales the target down and up."""
    replicas = Replicas(kubectl.cluster)
    rollouts.apply(podinfo("app"))
    asked = [sum(replicas.asked(entry)) for entry in (WORKLOADS, SCALING)]
    rollouts.apply(canary("app", {"interval": "1m"}))
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the target is scaled down", lambda: scale(rollouts) == 0)
    assert rollouts.get("deployment", "app-primary")
    assert [sum(replicas.asked(entry)) for entry in (WORKLOADS, SCALING)] == asked

    kubectl("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1")
    rollouts.wait_for("the target is up", lambda: scale(rollouts) == 1)
    assert sum(replicas.asked(WORKLOADS)) == asked[0] + 1


def scale(rollouts: Rollouts) -> int:
    return int(rollouts.get("deployment", "app")["spec"]["replicas"])


def scaled_by(rollouts: Rollouts) -> str:
    """The field manager of the last write of the target's scale."""
    text = rollouts.cluster.kubectl(
        *("-n", rollouts.namespace, "get", "deployment", "app", "--show-managed-fields"),
        *("-o", 'jsonpath={.metadata.managedFields[?(@.subresource=="scale")].manager}'),
    )
    return text.strip()


def test_a_change_that_was_made_while_the_agent_was_down_is_run_and_told_with_who_and_what(
    kubectl: Kubectl, rollouts: Rollouts
) -> None:
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")
    with scaled_to(kubectl.cluster, "serin-agent", 0, back_to=1):
        said = kubectl("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1", user="bob")
        revision = revision_of(kubectl.get("deployment", "app")["spec"]["template"])
        assert kubectl.mark("app") == Mark(revision, UPGRADE, "bob")
        [warning] = said.warnings
        assert warning.startswith(f"Canary {kubectl.namespace}/app starts a run: revision {revision} ({UPGRADE}). ")
        assert rollouts.status("app")["phase"] == "Initialized"
    told = f"New revision detected! Scaling up app.{kubectl.namespace}: {UPGRADE}, applied by bob"
    rollouts.wait_for("its event", lambda: ("Normal", told) in rollouts.events("app"))
    change = rollouts.status("app")["serin"]["change"]
    assert (change["revision"], change["what"], change["by"]) == (revision, UPGRADE, "bob")
    # It was started again, so that it counts from nothing.
    assert (detected(kubectl.cluster, "admission"), detected(kubectl.cluster, "watch")) == (1, 0)
