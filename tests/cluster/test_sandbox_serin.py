"""The sandbox with Serin on it: what tests and the demo build on."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.paths import bin_dir
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.eventually import eventually
from tests.support.granted import granted, manifests
from tests.support.mortal_agent import background


@pytest.mark.parametrize(
    ("door", "path"), [("agent", "/healthz"), ("prometheus", "/-/ready"), ("apiserver", "/readyz"), ("gateway", "/")]
)
def test_each_door_leads_from_the_host_to_its_server(cluster: Cluster, door: str, path: str) -> None:
    ca = cluster.state / "run" / "pki" / "ca.crt"
    write_code = ["--output", "/dev/null", "--write-out", "%{http_code}"]
    answer = subprocess.run(
        ["curl", "--silent", "--cacert", str(ca), *write_code, cluster.endpoints[door] + path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == ("404" if door == "gateway" else "200")


def test_the_api_server_says_which_version_it_is(cluster: Cluster) -> None:
    """Clients such as Flagger read it as a semantic version, and end where it is none."""
    version = json.loads(cluster.kubectl("get", "--raw", "/version"))
    assert re.fullmatch(r"v\d+\.\d+\.\d+", version["gitVersion"])
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor']}.")


# Serves the Service too, and asks until it has been answered by both of its pods, itself and the other one.
ASKER = """
podinfo --port=9898 &
ask() { curl --silent --show-error --fail --max-time 20 "$1"; }
until ask http://localhost:9898/version >/dev/null; do sleep 0.1; done
until [ -n "$itself" ] && [ -n "$other" ]; do
  case $(ask http://podinfo/) in *'"hostname": "asker"'*) itself=1 ;; *'"hostname": '*) other=1 ;; esac
done
for i in $(seq 20); do ask http://podinfo/version || exit 1; done
kill %1
"""


def test_a_pod_reaches_itself_and_others_by_service_name(cluster: Cluster, namespace: str) -> None:
    """From pod to pod the answer could take the bridge's short way, past the translation of the ClusterIP."""
    here = f"--namespace={namespace}"
    cluster.kubectl(here, "create", "deployment", "podinfo", "--image=stefanprodan/podinfo:1", "--port=9898")
    cluster.kubectl(here, "expose", "deployment", "podinfo", "--port=80", "--target-port=9898")
    cluster.kubectl(here, "wait", "--for=condition=Available", "deployment/podinfo", "--timeout=30s")
    pod = ("--image=serin-loadtester:1", "--labels=app=podinfo", "--restart=Never", "--command")
    cluster.kubectl(here, "run", "asker", *pod, "--", "bash", "-c", ASKER)
    cluster.kubectl(here, "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/asker", "--timeout=60s")
    assert cluster.kubectl(here, "logs", "asker").count('"version": ') == 20


async def test_a_command_inside_ends_with_the_one_that_was_started_outside(cluster: Cluster) -> None:
    with background(cluster, "sleep", "86399.5") as process:
        await eventually(lambda: is_running(cluster, "sleep 86399.5"), bool)
        process.terminate()
        process.wait(timeout=10)
        await eventually(lambda: not is_running(cluster, "sleep 86399.5"), bool)


def is_running(cluster: Cluster, words: str) -> bool:
    # A bracket keeps pgrep from finding the command that looks.
    return cluster.try_sandbox("run", "pgrep", "-f", f"[{words[0]}]{words[1:]}").returncode == 0


@pytest.fixture
def render(tmp_path: Path) -> Callable[..., str]:
    """Make what `kubectl apply -k` would apply of folders of manifests."""

    def rendered(resource: str, *components: str, namespace: str = "") -> str:
        folders = [os.path.relpath(REPOSITORY / folder, tmp_path) for folder in (resource, *components)]
        made = {"resources": folders[:1], "components": folders[1:]} | ({"namespace": namespace} if namespace else {})
        (tmp_path / "kustomization.yaml").write_text(json.dumps(made))
        command = [str(bin_dir() / "kubectl"), "kustomize", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    return rendered


def test_the_api_server_lets_every_pod_of_every_overlay_into_a_restricted_namespace(
    cluster: Cluster, namespace: str, render: Callable[..., str]
) -> None:
    """The Deployment's pods are tried one by one: of a Deployment the profile would only be a warning."""
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    overlays = [
        render("manifests/default"),
        render("manifests/default", "manifests/webhook-cert-manager", "manifests/config-tracking-watch"),
        render("manifests/overlays/namespaced"),
        render("manifests/loadtester"),
    ]
    made = [document for text in overlays for document in yaml.safe_load_all(text) if document["kind"] == "Deployment"]
    assert len(made) >= 8
    for deployment in made:
        template = deployment["spec"]["template"]
        spec = {key: value for key, value in template["spec"].items() if key != "serviceAccountName"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried"}, "spec": spec}
        cluster.kubectl("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def test_the_namespaced_overlay_has_rights_in_its_namespace_and_nowhere_else(render: Callable[..., str]) -> None:
    documents = list(yaml.safe_load_all(render("manifests/overlays/namespaced", namespace="shop")))
    assert {document["metadata"]["namespace"] for document in documents} == {"shop"}
    assert {document["kind"] for document in documents if "Role" in document["kind"]} == {"Role", "RoleBinding"}
    rbac = REPOSITORY / "manifests" / "rbac"
    assert granted(documents) == granted(manifests(rbac / "agent")) | granted(manifests(rbac / "namespaced"))
    subjects = [subject for document in documents for subject in document.get("subjects", [])]
    assert {subject["namespace"] for subject in subjects} == {"shop"}
    [args] = [
        document["spec"]["template"]["spec"]["containers"][0]["args"]
        for document in documents
        if document["kind"] == "Deployment"
    ]
    own = ["--namespace=$(POD_NAMESPACE)", "--leader-election-namespace=$(POD_NAMESPACE)"]
    assert args[-3:] == [*own, "--no-cross-namespace-refs"]


def test_an_agent_of_one_namespace_begins_with_the_rights_of_its_overlay(
    cluster: Cluster, namespace: str, render: Callable[..., str]
) -> None:
    """It is ready when each of its caches is filled: a right that is missing would keep it from that for ever."""
    cluster.kubectl("apply", "-f", "-", stdin=render("manifests/overlays/namespaced", namespace=namespace))
    said = cluster.kubectl("-n", namespace, "rollout", "status", "deployment/serin-agent", "--timeout=120s")
    assert said.endswith('deployment "serin-agent" successfully rolled out\n')


def test_every_pod_of_ours_keeps_to_the_restricted_profile(cluster: Cluster) -> None:
    """A namespace that enforces the profile is tried on: the API server names the pods that would break it."""
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    answer = cluster.try_kubectl("label", "namespace", "gloo-system", enforced, "--dry-run=server", "--overwrite")
    assert answer.returncode == 0, answer.stderr
    assert "serin" not in answer.stderr
    assert "flagger" not in answer.stderr


def test_the_crds_are_not_deleted_by_the_way(cluster: Cluster) -> None:
    """`kubectl delete -k manifests/default` would take every primary and every route with it."""
    for plural in ("canaries", "metrictemplates", "alertproviders"):
        answer = cluster.try_kubectl("delete", "crd", f"{plural}.flagger.app", "--dry-run=server")
        assert answer.returncode == 1
        assert f"kubectl annotate crd {plural}.flagger.app serin.dev/deletion=allowed" in answer.stderr


AGENT = ("--as=system:serviceaccount:gloo-system:serin-agent", "--dry-run=server")
OWNER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "app", "uid": "1"}


@pytest.mark.parametrize(
    ("secret", "refusal"),
    [
        ({"metadata": {"name": "keys-primary", "ownerReferences": [OWNER]}, "type": "Opaque"}, ""),
        ({"metadata": {"name": "keys-primary"}, "type": "Opaque"}, "which a Canary owns"),
        (
            {
                "metadata": {
                    "name": "token",
                    "ownerReferences": [OWNER],
                    "annotations": {"kubernetes.io/service-account.name": "default"},
                },
                "type": "kubernetes.io/service-account-token",
            },
            "no Secrets of other types",
        ),
    ],
    ids=["a copy", "not a canary's", "a token"],
)
def test_whoever_takes_the_agent_over_makes_no_secret_but_a_copy(
    cluster: Cluster, namespace: str, secret: dict[str, Any], refusal: str
) -> None:
    made = {"apiVersion": "v1", "kind": "Secret"} | secret
    answer = cluster.try_kubectl("-n", namespace, "create", *AGENT, "-f", "-", stdin=json.dumps(made))
    assert (answer.returncode == 0) == (not refusal)
    assert refusal in answer.stderr


def test_whoever_takes_the_agent_over_changes_and_deletes_no_secret_of_others(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("-n", namespace, "create", "secret", "generic", "theirs", "--from-literal=a=1")
    patch = json.dumps([{"op": "add", "path": "/metadata/ownerReferences", "value": [OWNER]}])
    for command in (("patch", "--type=json", "-p", patch), ("delete",)):
        answer = cluster.try_kubectl("-n", namespace, command[0], "secret", "theirs", *command[1:], *AGENT)
        assert answer.returncode == 1
        assert "which a Canary owns" in answer.stderr


def test_who_may_edit_a_namespace_may_edit_its_canaries_and_who_may_view_it_sees_them(
    cluster: Cluster, namespace: str
) -> None:
    here = f"--namespace={namespace}"
    for user, role in (("vera", "view"), ("eddie", "edit")):
        cluster.kubectl(here, "create", "rolebinding", role, f"--clusterrole={role}", f"--user={user}")

    def may(user: str, verb: str, where: str = here) -> bool:
        asked = cluster.try_kubectl(where, "auth", "can-i", verb, "canaries.flagger.app", f"--as={user}")
        return asked.stdout.strip() == "yes"

    assert [may("vera", verb) for verb in ("get", "watch", "patch", "delete")] == [True, True, False, False]
    assert [may("eddie", verb) for verb in ("get", "create", "patch", "delete")] == [True, True, True, True]
    assert not may("eddie", "patch", "--namespace=default")


def test_the_agents_name_is_renamed_as_the_page_on_security_says(tmp_path: Path) -> None:
    """It stands within an expression, which kustomize's `namespace` leaves alone."""
    page = (REPOSITORY / "docs" / "security.md").read_text()
    made = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    made |= {"namespace": "serin", "resources": [os.path.relpath(REPOSITORY / "manifests" / "default", tmp_path)]}
    (tmp_path / "kustomization.yaml").write_text(json.dumps(made))
    command = [str(bin_dir() / "kubectl"), "kustomize", str(tmp_path)]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"system:serviceaccount:([\w-]+):serin-agent", rendered) == ["serin"] * 6
    bindings = [document for document in yaml.safe_load_all(rendered) if "subjects" in document]
    assert {subject["namespace"] for binding in bindings for subject in binding["subjects"]} == {"serin"}
