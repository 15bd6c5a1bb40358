"""Every pod that is shipped keeps to the restricted profile of pod security, and takes no more than it needs.

What kustomize makes of these files is seen in tests/cluster/test_sandbox_serin.py.
"""

from typing import Any

import pytest
import yaml

from tests.support.cluster import REPOSITORY
from tests.support.granted import manifests

# https://kubernetes.io/docs/concepts/security/pod-security-standards/
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}

FOLDERS = (REPOSITORY / "manifests", REPOSITORY / "sandbox" / "serin")
PODS = [
    pytest.param(document["spec"]["template"]["spec"], id=document["metadata"]["name"])
    for document in manifests(*FOLDERS)
    if "selector" in (document.get("spec") or {}) and "template" in document["spec"]
]
CERT_MANAGER = REPOSITORY / "manifests" / "webhook-cert-manager" / "deployment.yaml"


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", []), *pod.get("ephemeralContainers", [])]


def test_all_of_them_are_looked_at() -> None:
    assert {param.id for param in PODS} >= {
        "serin-agent",
        "serin-webhook",
        "serin-webhook-authority",
        "flagger-prometheus",
        "flagger-loadtester",
        "podinfo",
    }


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_is_restricted(pod: dict[str, Any]) -> None:
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert {kind for volume in pod.get("volumes", []) for kind in volume.keys() - {"name"}} <= VOLUMES
    for container in containers(pod):
        own = container["securityContext"]
        assert own["allowPrivilegeEscalation"] is False
        assert own["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "runAsUser", "runAsNonRoot", "seccompProfile", "procMount"} & own.keys()
        assert not [port for port in container.get("ports", []) if "hostPort" in port]


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_writes_nothing_into_its_image_and_has_bounds(pod: dict[str, Any]) -> None:
    for container in containers(pod):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]
        assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_patch_leaves_the_profile_as_it_is() -> None:
    for operation in yaml.safe_load(CERT_MANAGER.read_text()):
        field = operation["path"].removeprefix("/spec/template/spec/")
        assert field.startswith(("containers/0/args/", "containers/0/volumeMounts/", "volumes/")), field
        if field.startswith("volumes/"):
            assert operation["value"].keys() - {"name"} <= VOLUMES


def test_each_pod_that_takes_requests_has_a_network_policy() -> None:
    """Whoever sends a pod of ours anything is named, as far as a policy can name them."""
    policies = [one for one in manifests(REPOSITORY / "manifests") if one.get("kind") == "NetworkPolicy"]
    selected = [policy["spec"]["podSelector"]["matchLabels"] for policy in policies]
    deployments = [
        one
        for one in manifests(REPOSITORY / "manifests")
        if one.get("kind") == "Deployment" and "selector" in one["spec"]
    ]
    for deployment in deployments:
        if "podinfo" not in deployment["metadata"]["name"]:
            assert deployment["spec"]["selector"]["matchLabels"] in selected, deployment["metadata"]["name"]
