"""The bare webhooks beside Serin's, in the same cluster: a process in its network, and a configuration for each."""

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks.kubectl import kubectl
from benchmarks.paths import REPOSITORY
from certs.authority import new_authority
from sandbox.namespace import enter, inside_environment
from sandbox.paths import State

# Serin's own webhook is not asked about this namespace, so what an object meets here is one bare webhook alone.
NAMESPACE: Final = "kube-system"
LABEL: Final = "bench.serin.dev/webhook"
KINDS: Final = ("empty", "constant")

_PORT: Final = 9555
_LIFETIME_S: Final = 86_400


@contextmanager
def bare_webhooks(state: Path, folder: Path) -> Iterator[None]:
    """Let the API server ask them for the length of the block, each about the workloads that are labelled so."""
    kubeconfig = state / "kubeconfig"
    now_s = time.time()
    authority = new_authority("bench", ["localhost"], now_s=now_s, lifetime_s=_LIFETIME_S)
    leaf = authority.sign_leaf(["localhost"], now_s=now_s, lifetime_s=_LIFETIME_S)
    certificate, key = folder / "bare.crt", folder / "bare.key"
    certificate.write_bytes(leaf.chain_pem)
    key.write_bytes(leaf.key_pem)
    trusted = base64.b64encode(authority.certificate.public_bytes(Encoding.PEM)).decode()
    command = [sys.executable, "-m", "benchmarks.webhook.bare", str(_PORT), str(certificate), str(key)]
    inside = State(state.absolute())
    with subprocess.Popen(
        enter(inside, command), cwd=REPOSITORY, env=inside_environment(inside), stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), "the bare webhooks did not start"
            for kind in KINDS:
                kubectl(kubeconfig, "apply", "-f", "-", stdin=json.dumps(_configuration(kind, trusted)))
            yield
        finally:
            for kind in KINDS:
                kubectl(kubeconfig, "delete", "mutatingwebhookconfiguration", f"bench-{kind}", "--ignore-not-found")
            process.terminate()


def _configuration(kind: str, trusted: str) -> dict[str, Any]:
    """Return it, with the same timeout and rules as Serin's entry for workloads; one that fails is an error here."""
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
        "operations": ["UPDATE"],
        "scope": "Namespaced",
    }
    webhook = {
        "name": f"{kind}.bench.serin.dev",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "clientConfig": {"url": f"https://localhost:{_PORT}/{kind}", "caBundle": trusted},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "objectSelector": {"matchLabels": {LABEL: kind}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": f"bench-{kind}"},
        "webhooks": [webhook],
    }
