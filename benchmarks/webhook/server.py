"""The server alone: requests a second on one core, beside a bare handler that echoes; its latency; its memory."""

import json
import time
from pathlib import Path
from typing import Any, Final

from benchmarks.kubectl import kubectl
from benchmarks.quantiles import p50_p99
from benchmarks.webhook.applies import NAMESPACE, TARGET, canary, workload
from benchmarks.webhook.load import post
from benchmarks.webhook.processes import echo, webhook
from certs.authority import new_authority

CANARIES: Final = 1000
_SECONDS: Final = 6.0
_RATE: Final = 500


def measure(kubeconfig: Path, folder: Path) -> dict[str, Any]:
    """Return `server_rps`, `echo_rps`, `server_at_500`, `echo_at_500` (milliseconds) and `rss_mib`.

    Both servers get the same review, of a canary's target whose image changed: the webhook has the most to do for it.
    It knows 1,000 canaries. They are loaded in turn, twice, and the better half counts: a shared machine is slow at
    times, never too fast.
    """
    certificate, key = write_certificate(folder)
    review = folder / "review.json"
    review.write_text(json.dumps(marked_review()))
    _stop_agent(kubeconfig)
    _add_canaries(kubeconfig)
    with echo(certificate, key) as bare, webhook(kubeconfig, folder) as served:
        served.until_known(CANARIES)
        rates: dict[str, list[float]] = {bare: [], served.url: []}
        for _ in range(2):
            for url, measured in rates.items():
                measured.append(post(url, review, seconds=_SECONDS).per_second)
        at_rate = {url: post(url, review, seconds=_SECONDS, per_second=_RATE).took_s for url in (bare, served.url)}
        return {
            "server_rps": round(max(rates[served.url])),
            "echo_rps": round(max(rates[bare])),
            "server_at_500": p50_p99(at_rate[served.url]),
            "echo_at_500": p50_p99(at_rate[bare]),
            "rss_mib": round(served.rss_mib(), 1),
        }


def marked_review() -> dict[str, Any]:
    """Return the AdmissionReview of a target whose image changed."""
    old, new = workload(TARGET), workload(TARGET)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "stefanprodan/podinfo:2"
    for obj in (old, new):
        obj["metadata"] |= {"namespace": NAMESPACE, "uid": "0b0e4ea0-6b1e-4fd4-94a7-6a4b0f5ee000"}
    request = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
        "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
        "name": TARGET,
        "namespace": NAMESPACE,
        "operation": "UPDATE",
        "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
        "object": new,
        "oldObject": old,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions", "fieldManager": "kubectl-set"},
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate and a key that end with the measurement."""
    now_s = time.time()
    authority = new_authority("bench", ["localhost"], now_s=now_s, lifetime_s=86_400)
    leaf = authority.sign_leaf(["localhost"], now_s=now_s, lifetime_s=86_400)
    certificate, key = folder / "tls.crt", folder / "tls.key"
    certificate.write_bytes(leaf.chain_pem)
    key.write_bytes(leaf.key_pem)
    return certificate, key


def _stop_agent(kubeconfig: Path) -> None:
    """Have nobody look at the canaries that come: what the agent makes of them is no part of the measurement."""
    agent = ("-n", "gloo-system")
    kubectl(kubeconfig, *agent, "scale", "deployment/serin-agent", "--replicas=0")
    kubectl(kubeconfig, *agent, "wait", "pod", "-l", "app.kubernetes.io/name=serin-agent", "--for=delete")


def _add_canaries(kubeconfig: Path) -> None:
    """Let there be 1,000 canaries in all, each with a target that is not there."""
    names = [f"{TARGET}-{number:04}" for number in range(CANARIES - 1)]
    items = [canary(name, name) for name in names]
    listed = {"apiVersion": "v1", "kind": "List", "items": items}
    kubectl(kubeconfig, "-n", NAMESPACE, "create", "-f", "-", stdin=json.dumps(listed))
