"""An API server for Helm's `--dry-run=server`: it says what there is, and answers reads of given objects."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

# Kinds by group and version; True is what lives in a namespace.
_RESOURCES: dict[str, dict[str, tuple[str, bool]]] = {
    "v1": {
        "ConfigMap": ("configmaps", True),
        "Namespace": ("namespaces", False),
        "Pod": ("pods", True),
        "Secret": ("secrets", True),
        "Service": ("services", True),
        "ServiceAccount": ("serviceaccounts", True),
    },
    "apps/v1": {"Deployment": ("deployments", True)},
    "policy/v1": {"PodDisruptionBudget": ("poddisruptionbudgets", True)},
    "networking.k8s.io/v1": {"NetworkPolicy": ("networkpolicies", True)},
    "apiextensions.k8s.io/v1": {"CustomResourceDefinition": ("customresourcedefinitions", False)},
    "rbac.authorization.k8s.io/v1": {
        "ClusterRole": ("clusterroles", False),
        "ClusterRoleBinding": ("clusterrolebindings", False),
        "Role": ("roles", True),
        "RoleBinding": ("rolebindings", True),
    },
    "admissionregistration.k8s.io/v1": {
        "MutatingWebhookConfiguration": ("mutatingwebhookconfigurations", False),
        "ValidatingAdmissionPolicy": ("validatingadmissionpolicies", False),
        "ValidatingAdmissionPolicyBinding": ("validatingadmissionpolicybindings", False),
        "ValidatingWebhookConfiguration": ("validatingwebhookconfigurations", False),
    },
}
_PLURALS = {plural for kinds in _RESOURCES.values() for plural, _ in kinds.values()}


@contextmanager
def api_server(folder: Path, objects: Iterable[Json], *, version: str = "v1.34.0") -> Iterator[Path]:
    """Serve until the block ends; yield a kubeconfig."""
    given = list(objects)
    answers = {_path(one): one for one in given} | _discovery(version)
    lists: dict[str, list[Json]] = {}  # of all namespaces
    for one in given:
        lists.setdefault(_list_path(one), []).append(one)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            found = answers.get(path)
            if found is None and path.rpartition("/")[2] in _PLURALS:
                found = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": lists.get(path, [])}
            status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(status if found is None else found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  Python's name
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="api server")
        thread.start()
        try:
            yield _kubeconfig(folder, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def _path(one: Json) -> str:
    plural, is_namespaced = _RESOURCES[one["apiVersion"]][one["kind"]]
    where = f"namespaces/{one['metadata']['namespace']}/" if is_namespaced else ""
    return f"{_root(one['apiVersion'])}/{where}{plural}/{one['metadata']['name']}"


def _list_path(one: Json) -> str:
    plural, _ = _RESOURCES[one["apiVersion"]][one["kind"]]
    return f"{_root(one['apiVersion'])}/{plural}"


def _root(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def _discovery(version: str) -> dict[str, Json]:
    _, minor, _ = version.split(".")
    answers: dict[str, Json] = {
        "/version": {"major": "1", "minor": minor, "gitVersion": version},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [_group(one) for one in _RESOURCES if "/" in one],
        },
    }
    for name, kinds in _RESOURCES.items():
        resources = [
            {"name": plural, "singularName": "", "kind": kind, "namespaced": is_namespaced, "verbs": ["get", "list"]}
            for kind, (plural, is_namespaced) in kinds.items()
        ]
        answers[_root(name)] = {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": name,
            "resources": resources,
        }
    return answers


def _group(group_version: str) -> Json:
    group, _, version = group_version.partition("/")
    one = {"groupVersion": group_version, "version": version}
    return {"name": group, "versions": [one], "preferredVersion": one}


def _kubeconfig(folder: Path, port: int) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "clusters": [{"name": "here", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "me", "user": {}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path
