"""Marks and warnings on the real API server, with the shipped manifests: whatever a developer types."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from canary.run.mark import Mark
from canary.run.revision import revision_of
from canary.run.wire import CHANGED_BY_ANNOTATION, REVISION_ANNOTATION
from tests.support.api import create, new_namespace
from tests.support.applying import Kubectl, scaled_to
from tests.support.cluster import Cluster
from tests.support.replicas import Replicas
from tests.support.rollout import Rollouts, canary, podinfo
from tests.support.webhook_patience import wait_until_steady

pytestmark = [pytest.mark.usefixtures("patient_webhook")]

HPA_CONTROLLER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
ADMIN = "admin"
OLD, NEW = podinfo("app", tag="3.1.0"), podinfo("app", tag="3.1.1")
UPGRADE = "podinfod image 3.1.0 -> 3.1.1"


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    return Kubectl(cluster, namespace)


@pytest.fixture
def watched(kubectl: Kubectl) -> Kubectl:
    """A namespace with a target whose canary is suspended: nobody but the test changes it."""
    kubectl.apply(canary("app", suspend=True))
    wait_until_steady(
        "the target is marked", lambda: REVISION_ANNOTATION in rehearsed(kubectl, OLD)["metadata"]["annotations"]
    )
    kubectl.apply(OLD)
    return kubectl


def rehearsed(kubectl: Kubectl, obj: dict[str, Any]) -> dict[str, Any]:
    """Return what would be stored of a new object."""
    return create(kubectl.cluster.kubeconfig, kubectl.namespace, obj, dry_run=True)


@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[Kubectl]:
    """A namespace with a canary that is initialized; one for all tests that only look at warnings."""
    kubectl = Kubectl(cluster, "webhook-warnings")
    with new_namespace(cluster.kubeconfig, kubectl.namespace):
        kubectl.apply(canary("app", {"interval": "1m"}), OLD)
        Rollouts(cluster, kubectl.namespace).wait_for_phase("app", "Initialized")
        yield kubectl


def revision(kubectl: Kubectl, name: str = "app", kind: str = "deployment") -> str:
    """The revision as the agent finds it: of the stored template."""
    return revision_of(kubectl.get(kind, name)["spec"]["template"])


def is_marked(kubectl: Kubectl, changed: str, by: str = ADMIN, kind: str = "deployment") -> bool:
    return kubectl.mark("app", kind) == Mark(revision(kubectl, kind=kind), changed, by)


def test_the_first_apply_is_marked_with_who_made_it(watched: Kubectl) -> None:
    assert is_marked(watched, "")


def test_a_workload_that_no_canary_watches_over_stays_as_it_is(kubectl: Kubectl) -> None:
    said = kubectl.apply(OLD)
    assert (kubectl.mark("app"), said.warnings) == (None, [])


def test_apply_and_an_apply_of_the_same(watched: Kubectl) -> None:
    watched.apply(NEW, user="bob")
    assert is_marked(watched, UPGRADE, "bob")
    watched.apply(NEW, user="carol")
    assert is_marked(watched, UPGRADE, "bob")


def test_set_image_env_and_resources(watched: Kubectl) -> None:
    watched("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1")
    assert is_marked(watched, UPGRADE)
    watched("set", "env", "deployment/app", "LEVEL=debug")
    assert is_marked(watched, "podinfod env LEVEL added")
    watched("set", "resources", "deployment/app", "--limits=cpu=1")
    assert is_marked(watched, "podinfod limits.cpu none -> 1")


def test_rollout_undo_is_a_change_of_its_own(watched: Kubectl) -> None:
    watched.apply(NEW, user="bob")
    # The undone revision's ReplicaSet carries the mark of its day.
    watched("rollout", "status", "deployment/app", "--timeout=60s")
    watched("rollout", "undo", "deployment/app", user="carol")
    assert is_marked(watched, "podinfod image 3.1.1 -> 3.1.0", "carol")


def test_rollout_restart(watched: Kubectl) -> None:
    watched("rollout", "restart", "deployment/app")
    assert is_marked(watched, "restarted")


def test_scaling_marks_nothing_and_wipes_nothing(watched: Kubectl) -> None:
    watched("scale", "deployment/app", "--replicas=2", user="bob")
    watched.apply(podinfo("app", replicas=3), user="bob")
    watched("scale", "deployment/app", "--replicas=1", user=HPA_CONTROLLER)
    assert is_marked(watched, "")


def test_what_is_no_change_of_the_template_is_not_asked_about(watched: Kubectl) -> None:
    replicas = Replicas(watched.cluster)
    asked = sum(replicas.asked("mutate/workloads"))
    watched("label", "deployment/app", "team=a")
    watched("annotate", "deployment/app", "note=a")
    watched("scale", "deployment/app", "--replicas=2")
    watched("patch", "deployment/app", "--patch", '{"spec": {"replicas": 1, "paused": true}}')
    assert sum(replicas.asked("mutate/workloads")) == asked
    watched("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1")
    assert sum(replicas.asked("mutate/workloads")) == asked + 1


def test_edit(watched: Kubectl) -> None:
    editor = {"KUBE_EDITOR": "sed -i s/podinfo:3.1.0/podinfo:3.1.1/"}
    watched("edit", "deployment/app", environment=editor)
    assert is_marked(watched, UPGRADE)


def test_replace_keeps_the_mark_of_an_unchanged_template_and_renews_that_of_another(watched: Kubectl) -> None:
    watched.apply(NEW, user="bob")
    _replace(watched, NEW)
    assert is_marked(watched, UPGRADE, "bob")
    _replace(watched, OLD)
    assert is_marked(watched, "podinfod image 3.1.1 -> 3.1.0", "carol")


def _replace(watched: Kubectl, obj: dict[str, Any]) -> None:
    """Replace as carol does: again, when a controller's status came between kubectl's read and its write."""
    for _ in range(10):
        if watched("replace", "-f", "-", stdin=json.dumps(obj), user="carol", allowed_codes=(0, 1)).code == 0:
            return
    raise AssertionError("kubectl replace met a conflict ten times")


def test_a_mark_that_is_forged_or_removed_comes_back(watched: Kubectl) -> None:
    watched("annotate", "deployment/app", f"{CHANGED_BY_ANNOTATION}=the-boss", "--overwrite")
    assert is_marked(watched, "")
    watched("annotate", "deployment/app", f"{REVISION_ANNOTATION}-")
    assert is_marked(watched, "")


def test_diff_shows_the_mark_that_an_apply_would_make_and_nothing_for_the_same(watched: Kubectl) -> None:
    same = watched("diff", "-f", "-", stdin=json.dumps(OLD))
    assert (same.code, same.output) == (0, "")
    other = watched("diff", "-f", "-", stdin=json.dumps(NEW), allowed_codes=(1,))
    assert f"+    serin.dev/changed: {UPGRADE}" in other.output
    assert is_marked(watched, "")


def test_a_dry_run_gives_the_mark_of_the_real_one_and_stores_nothing(watched: Kubectl) -> None:
    dry = json.loads(watched.apply(NEW, flags=("--dry-run=server", "-o", "json")).output)
    assert is_marked(watched, "")
    watched.apply(NEW)
    assert Mark.read(dry["metadata"]["annotations"]) == watched.mark("app")
    assert is_marked(watched, UPGRADE)


def test_server_side_apply_by_other_field_managers(watched: Kubectl) -> None:
    for number, tag in enumerate(("3.1.1", "3.1.2")):
        flags = ("--server-side", f"--field-manager=other-{number}", "--force-conflicts")
        watched.apply(podinfo("app", tag=tag), flags=flags)
        assert is_marked(watched, f"podinfod image 3.1.{number} -> {tag}")
        # The same again finds no conflict with our annotations, and changes nothing.
        before = watched.get("deployment", "app")["metadata"]["generation"]
        watched.apply(podinfo("app", tag=tag), flags=flags)
        assert watched.get("deployment", "app")["metadata"]["generation"] == before
        assert is_marked(watched, f"podinfod image 3.1.{number} -> {tag}")


@pytest.mark.parametrize(
    ("kind", "patch"),
    [
        ("json", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "podinfo:2"}]),
        ("merge", {"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:2"}]}}}}),
        ("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "podinfod", "image": "podinfo:2"}]}}}}),
    ],
)
def test_every_type_of_patch(watched: Kubectl, kind: str, patch: Any) -> None:
    watched("patch", "deployment/app", f"--type={kind}", f"--patch={json.dumps(patch)}")
    mark = watched.mark("app")
    assert mark is not None
    assert (mark.revision, mark.by) == (revision(watched), ADMIN)
    assert mark.changed.startswith("podinfod image stefanprodan/podinfo:3.1.0 -> podinfo:2")


def test_a_daemon_set(kubectl: Kubectl) -> None:
    target = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "app"}
    kubectl.apply(canary("app", suspend=True, targetRef=target))
    for tag in ("3.1.0", "3.1.1"):
        daemon_set = deepcopy(podinfo("app", tag=tag)) | {"kind": "DaemonSet"}
        del daemon_set["spec"]["replicas"]
        kubectl.apply(daemon_set)
    assert is_marked(kubectl, UPGRADE, kind="daemonset")


def test_what_the_developer_sees_from_the_change_to_the_scaling_under_the_run(running: Kubectl) -> None:
    said = running("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1")
    [warning] = said.warnings
    assert warning == (
        f"Canary webhook-warnings/app starts a run: revision {revision(running)} ({UPGRADE}). "
        "Follow it: kubectl -n webhook-warnings get canary app -w"
    )
    assert running("label", "deployment/app", "team=a").warnings == []
    Rollouts(running.cluster, running.namespace).wait_for_phase("app", "Progressing")

    [warning] = running("scale", "deployment/app", "--replicas=3").warnings
    assert warning.startswith("Canary webhook-warnings/app is Progressing: scaling Deployment app from ")
    [warning] = running("patch", "deployment/app", "--patch", '{"spec": {"replicas": 2}}').warnings
    assert warning.startswith("Canary webhook-warnings/app is Progressing: scaling Deployment app from 3 to 2")
    assert running("scale", "deployment/app", "--replicas=1", user=HPA_CONTROLLER).warnings == []

    again = running("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.2")
    assert again.warnings[0].startswith("Canary webhook-warnings/app starts its analysis again: revision ")


def test_an_edit_of_the_primary_is_warned_of(running: Kubectl) -> None:
    [warning] = running("set", "env", "deployment/app-primary", "A=b").warnings
    assert warning == (
        "Deployment webhook-warnings/app-primary is generated by Canary webhook-warnings/app: what you changed will be "
        "overwritten. Change Deployment app instead."
    )
    mark = running.mark("app-primary")
    assert mark is not None
    assert (mark.changed, mark.by) == ("", ""), "the primary's revision is the agent's to write"


def test_the_webhook_marks_and_warns_while_the_agent_is_down(cluster: Cluster, watched: Kubectl) -> None:
    with scaled_to(cluster, "serin-agent", 0, back_to=1):
        watched.apply(NEW)
        assert is_marked(watched, UPGRADE)
