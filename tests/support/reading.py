"""Objects read by the API server's own HTTP: tests look hundreds of times, and each kubectl would be a process."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

_NOT_FOUND = 404
_TIMEOUT_S = 30.0

_APPS = ("deployment", "daemonset", "replicaset")
_CORE = ("service", "configmap", "secret", "event", "pod")

_RESOURCES = {
    **{kind: f"apis/apps/v1 {kind}s" for kind in _APPS},
    **{kind: f"api/v1 {kind}s" for kind in _CORE},
    "hpa": "apis/autoscaling/v2 horizontalpodautoscalers",
    "canary": "apis/flagger.app/v1beta1 canaries",
    "routetable": "apis/gateway.solo.io/v1 routetables",
    "virtualservice": "apis/gateway.solo.io/v1 virtualservices",
    "upstream": "apis/gloo.solo.io/v1 upstreams",
    "scaledobject": "apis/keda.sh/v1alpha1 scaledobjects",
}


def read(kubeconfig: Path, namespace: str, kind: str, name: str = "") -> dict[str, Any]:
    """Read an object, empty when there is none; without a name the list of all. `kind` is kubectl's, not its plural."""
    version, _, plural = _RESOURCES[kind].partition(" ")
    config = json.loads(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    request = urllib.request.Request(  # noqa: S310  the scheme is the kubeconfig's
        f"{cluster['server']}/{version}/namespaces/{namespace}/{plural}/{name}".rstrip("/"),
        headers={"Authorization": f"Bearer {user['token']}"},
    )
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context) as answer:  # noqa: S310  https
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_FOUND:
            return {}
        raise
    return found
