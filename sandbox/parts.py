"""The parts of the cluster: how each is started, what it waits for, and how it is seen to be ready."""

import asyncio
import json
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from sandbox.network import API_PORT, API_SERVICE_IP, DOMAIN, NODE_IP, POD_RANGE, SERVICE_RANGE
from sandbox.paths import REPOSITORY, State, bin_dir
from sandbox.pki import Pki
from sandbox.supervisor import Part, Ready

NODE_NAME = "sandbox"
API_URL = f"https://{NODE_IP}:{API_PORT}"
GLOO_MANIFESTS = REPOSITORY / "sandbox" / "gloo" / "manifests"
SERIN_MANIFESTS = REPOSITORY / "sandbox" / "serin"
AUDIT_POLICY = REPOSITORY / "sandbox" / "audit-policy.yaml"

_ETCD_URL = "http://127.0.0.1:2379"
_ISSUER = f"https://kubernetes.default.svc.{DOMAIN}"
_WORKLOADS_S = 90
_WORKERS = ("deployment", "replicaset", "endpoint", "service-endpoint", "namespace", "serviceaccount-token")


def all_parts(state: State, pki: Pki, *, with_serin: bool) -> list[Part]:
    """Return every part, each after those that it needs; `with_serin` adds the product as its users install it."""
    return [
        _etcd(state.run / "etcd"),
        _apiserver(state, pki),
        _controller_manager(state, pki),
        _scheduler(state),
        _node(state),
        _proxy(state),
        _dns(state),
        *_workloads(state, with_serin=with_serin),
    ]


def _etcd(data: Path) -> Part:
    peer = "http://127.0.0.1:2380"
    command = (
        bin_dir() / "etcd",
        f"--data-dir={data}",
        f"--listen-client-urls={_ETCD_URL}",
        f"--advertise-client-urls={_ETCD_URL}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data are in memory and end with the cluster
        "--log-level=warn",
    )
    return Part("etcd", _words(command), is_ready=_answers(f"{_ETCD_URL}/health"))


def _apiserver(state: State, pki: Pki) -> Part:
    command = (
        bin_dir() / "kube-apiserver",
        f"--etcd-servers={_ETCD_URL}",
        f"--advertise-address={NODE_IP}",  # endpoints may not be loopback addresses
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={pki.server_cert}",
        f"--tls-private-key-file={pki.server_key}",
        f"--token-auth-file={pki.tokens}",
        f"--service-account-issuer={_ISSUER}",
        f"--service-account-key-file={pki.service_account_key}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        "--authorization-mode=RBAC",
        f"--audit-policy-file={AUDIT_POLICY}",
        f"--audit-log-path={state.audit_log}",
        "--audit-log-mode=batch",  # nobody waits for the file
        "--audit-log-batch-max-wait=1s",
        "--audit-log-maxsize=1000",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--profiling=false",
    )
    return Part("kube-apiserver", _words(command), after=("etcd",), is_ready=_answers(f"{API_URL}/readyz"))


def _controller_manager(state: State, pki: Pki) -> Part:
    port = 10257
    command: tuple[str | Path, ...] = (
        bin_dir() / "kube-controller-manager",
        f"--kubeconfig={state.inside_kubeconfig}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={pki.server_cert}",
        f"--tls-private-key-file={pki.server_key}",
        f"--service-account-private-key-file={pki.service_account_key}",
        f"--root-ca-file={pki.ca_cert}",
        "--leader-elect=false",
        "--use-service-account-credentials",  # so that admission can tell them from people
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--profiling=false",
        *(f"--concurrent-{worker}-syncs=20" for worker in _WORKERS),
    )
    health = f"https://127.0.0.1:{port}/healthz"
    return Part("kube-controller-manager", _words(command), after=("kube-apiserver",), is_ready=_answers(health))


def _scheduler(state: State) -> Part:
    config = state.run / "kube-scheduler.json"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "clientConnection": {"kubeconfig": str(state.inside_kubeconfig), "qps": 1000, "burst": 2000},
                "leaderElection": {"leaderElect": False},
            }
        )
    )
    port = 10259
    command = (
        bin_dir() / "kube-scheduler",
        f"--config={config}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={state.pki / 'server.crt'}",
        f"--tls-private-key-file={state.pki / 'server.key'}",
    )
    health = f"https://127.0.0.1:{port}/healthz"
    return Part("kube-scheduler", _words(command), after=("kube-apiserver",), is_ready=_answers(health))


def _node(state: State) -> Part:
    paths = (f"--kubeconfig={state.inside_kubeconfig}", f"--state={state.run / 'node'}")
    return Part(
        "node", _python("sandbox.node", *paths), after=("kube-apiserver",), is_ready=_node_is_ready, grace_s=10.0
    )


def _proxy(state: State) -> Part:
    port = 10256
    command = (
        bin_dir() / "kube-proxy",
        f"--kubeconfig={state.inside_kubeconfig}",
        f"--hostname-override={NODE_NAME}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={POD_RANGE}",
        "--masquerade-all",  # an answer from pod to pod would take the bridge's short way, past the translation
        f"--healthz-bind-address=127.0.0.1:{port}",
        # At 0 it leaves the kernel's settings alone, which it may not write from in here.
        "--conntrack-max-per-core=0",
        "--conntrack-min=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
    )
    # It waits for a Node with an address before it serves its health.
    health = f"http://127.0.0.1:{port}/healthz"
    return Part("kube-proxy", _words(command), after=("kube-apiserver",), is_ready=_answers(health))


def _dns(state: State) -> Part:
    command = _python("sandbox.dns", f"--kubeconfig={state.inside_kubeconfig}")
    return Part("dns", command, after=("kube-apiserver",), is_ready=_dns_answers)


def _workloads(state: State, *, with_serin: bool) -> list[Part]:
    """Return the parts that apply Gloo, then Serin, as users do, and wait until both serve."""
    applies = [Part("apply-gloo", _kubectl("apply", "-k", GLOO_MANIFESTS), after=("kube-apiserver",))]
    if with_serin:
        applies.append(Part("apply-serin", _kubectl("apply", "-k", SERIN_MANIFESTS), after=("apply-gloo",)))
    wait = _python("sandbox.workloads", f"--kubeconfig={state.inside_kubeconfig}", f"--timeout-s={_WORKLOADS_S}")
    return [*applies, Part("workloads", wait, after=(applies[-1].name,), timeout_s=_WORKLOADS_S + 10)]


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _kubectl(*arguments: str | Path) -> tuple[str, ...]:
    return _words((bin_dir() / "kubectl", *arguments))


def _words(command: Sequence[str | Path]) -> tuple[str, ...]:
    return tuple(str(word) for word in command)


def _answers(url: str) -> Ready:
    """Return a check of whether a GET of `url` answers 200."""

    async def is_ready(session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(url) as response:
                return response.ok
        except (aiohttp.ClientError, TimeoutError):
            return False

    return is_ready


async def _node_is_ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get(f"{API_URL}/api/v1/nodes/{NODE_NAME}") as response:
            conditions = (await response.json()).get("status", {})
    except (aiohttp.ClientError, TimeoutError):
        return False
    if not isinstance(conditions, dict):  # a refusal's status is a word
        return False
    return any(
        condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions.get("conditions", [])
    )


async def _dns_answers(_session: aiohttp.ClientSession) -> bool:
    """Return whether a name is resolved through the resolver of the C library, as every process in here does."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(f"kubernetes.default.svc.{DOMAIN}", None, family=socket.AF_INET)
    except OSError:
        return False
    return found[0][4][0] == API_SERVICE_IP
