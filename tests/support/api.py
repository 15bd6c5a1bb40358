"""Objects by the API server's own HTTP: tests look hundreds of times, and a kubectl takes up to a third of a second."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from typing import Any

import urllib3

_TIMEOUT_S = 30.0
_WATCH_S = 3600.0
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# kubectl's word for a kind: where the API server has it.
_RESOURCES = {
    "configmap": "api/v1 configmaps",
    "event": "api/v1 events",
    "pod": "api/v1 pods",
    "secret": "api/v1 secrets",
    "service": "api/v1 services",
    "daemonset": "apis/apps/v1 daemonsets",
    "deployment": "apis/apps/v1 deployments",
    "replicaset": "apis/apps/v1 replicasets",
    "controllerrevision": "apis/apps/v1 controllerrevisions",
    "hpa": "apis/autoscaling/v2 horizontalpodautoscalers",
    "alertprovider": "apis/flagger.app/v1beta1 alertproviders",
    "canary": "apis/flagger.app/v1beta1 canaries",
    "metrictemplate": "apis/flagger.app/v1beta1 metrictemplates",
    "routetable": "apis/gateway.solo.io/v1 routetables",
    "virtualservice": "apis/gateway.solo.io/v1 virtualservices",
    "upstream": "apis/gloo.solo.io/v1 upstreams",
    "scaledobject": "apis/keda.sh/v1alpha1 scaledobjects",
}
_KUBECTL_WORDS = {"HorizontalPodAutoscaler": "hpa"}


def read(kubeconfig: Path, namespace: str, kind: str, name: str = "") -> dict[str, Any]:
    """Read an object, empty when there is none; without a name the list of all. `kind` is kubectl's, not its plural."""
    version, _, plural = _RESOURCES[kind].partition(" ")
    path = f"{version}/namespaces/{namespace}/{plural}/{name}".rstrip("/")
    return _api_of(kubeconfig.read_text()).request("GET", path, HTTPStatus.NOT_FOUND)


def create(kubeconfig: Path, namespace: str, obj: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """Create an object as `kubectl apply` does; gives what is stored, or would be after a dry run.

    Empty, and nothing done, if it exists or its kind is unknown here. One that exists is seen by admission before that
    is found out.
    """
    version, _, plural = _RESOURCES.get(_KUBECTL_WORDS.get(obj["kind"], obj["kind"].lower()), "").partition(" ")
    if not version.endswith(obj["apiVersion"]):
        return {}
    metadata = {"annotations": {}, "namespace": namespace} | obj["metadata"]
    applied = json.dumps(obj | {"metadata": metadata}, separators=(",", ":"), sort_keys=True, ensure_ascii=False) + "\n"
    for character in "<>&":  # as Go writes them
        applied = applied.replace(character, f"\\u{ord(character):04x}")
    annotated = metadata | {"annotations": metadata["annotations"] | {_LAST_APPLIED: applied}}
    path = f"{version}/namespaces/{namespace}/{plural}?fieldManager=kubectl-client-side-apply&fieldValidation=Strict"
    path += "&dryRun=All" if dry_run else ""
    return _api_of(kubeconfig.read_text()).request("POST", path, HTTPStatus.CONFLICT, obj | {"metadata": annotated})


def set_image(kubeconfig: Path, namespace: str, name: str, container: str, image: str) -> None:
    """Change the image of a Deployment's container as `kubectl set image` does."""
    version, _, plural = _RESOURCES["deployment"].partition(" ")
    path = f"{version}/namespaces/{namespace}/{plural}/{name}?fieldManager=kubectl-set"
    patch = {"spec": {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}}
    kind = "application/strategic-merge-patch+json"
    _api_of(kubeconfig.read_text()).request("PATCH", path, body=patch, content_type=kind)


def merge_patch(kubeconfig: Path, namespace: str, kind: str, name: str, patch: dict[str, Any]) -> None:
    """Change an object as `kubectl patch --type=merge` does."""
    version, _, plural = _RESOURCES[kind].partition(" ")
    path = f"{version}/namespaces/{namespace}/{plural}/{name}"
    _api_of(kubeconfig.read_text()).request("PATCH", path, body=patch, content_type="application/merge-patch+json")


@contextmanager
def new_namespace(kubeconfig: Path, name: str) -> Iterator[None]:
    """Create a namespace for the block; its deletion goes on behind the caller."""
    api = _api_of(kubeconfig.read_text())
    api.request("POST", "api/v1/namespaces", body={"metadata": {"name": name}})
    try:
        yield
    finally:
        api.request("DELETE", f"api/v1/namespaces/{name}")


@contextmanager
def watch(kubeconfig: Path, namespace: str, kind: str, take: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Pass `take` every event of a watch, first those of what exists, in a thread of its own until the block ends.

    A watch that breaks before gives it an event of type ERROR.
    """
    version, _, plural = _RESOURCES[kind].partition(" ")
    path = f"{version}/namespaces/{namespace}/{plural}?watch=1&timeoutSeconds={_WATCH_S:.0f}"
    response, is_over = _api_of(kubeconfig.read_text()).stream(path), Event()

    def follow() -> None:
        try:
            for line in response:
                if is_over.is_set():
                    return
                take(json.loads(line))
            broken = "it ended"
        except (urllib3.exceptions.HTTPError, ValueError) as error:  # a value that is cut, too
            broken = repr(error)
        if not is_over.is_set():
            take({"type": "ERROR", "object": broken})

    reader = Thread(target=follow, name=f"watch of {plural}", daemon=True)
    reader.start()
    try:
        yield
    finally:
        is_over.set()
        with suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
            response.shutdown()
        reader.join()
        response.close()


class _Api:
    """One API server, by connections that are kept."""

    def __init__(self, kubeconfig: str) -> None:
        config = json.loads(kubeconfig)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server = cluster["server"]
        self._pool = urllib3.PoolManager(
            ca_certs=cluster["certificate-authority"],
            headers={"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"},
            timeout=_TIMEOUT_S,
            retries=urllib3.Retry(3, allowed_methods=None, backoff_factor=0.1),  # all that is sent here can be repeated
        )

    def stream(self, path: str) -> urllib3.BaseHTTPResponse:
        """Begin to read an answer that has no end."""
        timeout = urllib3.Timeout(connect=_TIMEOUT_S, read=_WATCH_S)
        answer = self._pool.request("GET", f"{self._server}/{path}", preload_content=False, timeout=timeout)
        assert answer.status == HTTPStatus.OK, f"GET {path}: {answer.status}"
        return answer

    def request(
        self,
        method: str,
        path: str,
        empty: HTTPStatus | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """Return the answer's object, an empty one for the status `empty`; any other refusal is an AssertionError."""
        text = None if body is None else json.dumps(body)
        headers = {**self._pool.headers, "Content-Type": content_type}
        answer = self._pool.request(method, f"{self._server}/{path}", body=text, headers=headers)
        if answer.status == empty:
            return {}
        assert answer.status < HTTPStatus.BAD_REQUEST, f"{method} {path}: {answer.status} {answer.data.decode()}"
        found: dict[str, Any] = answer.json()
        return found


@lru_cache(maxsize=4)
def _api_of(kubeconfig: str) -> _Api:
    return _Api(kubeconfig)
