"""The webhook restarts, dies, is away, or has company: applies always succeed, and what can be marked is."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.run.mark import Mark
from canary.run.revision import revision_of
from kube.client import Client
from tests.support.applying import Kubectl, scaled_to
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.mortal_agent import background
from tests.support.rewriting_webhook import MIRROR, configuration
from tests.support.self_signed import certificate
from tests.support.stream import Stream, apply_target, streaming
from tests.support.webhook_patience import patience

WEBHOOK_PODS = ("-l", "app.kubernetes.io/name=serin-webhook")
# The API server waits 2 s for us at most, twice for a marked change and its second pass; the rest is for the machine.
# If it were not told so, it would wait 10 s, each time.
SLOWEST_APPLY_S = 15.0


@pytest.fixture
def patient(cluster: Cluster) -> Iterator[None]:
    """For tests in which every change must be marked: nobody is to lose patience with a webhook that is there."""
    with patience(cluster):
        yield


@pytest.fixture
def watched(cluster: Cluster, namespace: str) -> Kubectl:
    """A target without pods, whose canary is suspended."""
    kubectl = Kubectl(cluster, namespace)
    apply_target(kubectl)
    return kubectl


@pytest.mark.usefixtures("patient")
async def test_a_rolling_restart_leaves_no_change_unmarked(cluster: Cluster, watched: Kubectl) -> None:
    serin = Kubectl(cluster, "gloo-system")
    async with streaming(watched) as stream:
        await asyncio.to_thread(serin, "rollout", "restart", "deployment/serin-webhook")
        await asyncio.to_thread(serin, "rollout", "status", "deployment/serin-webhook", "--timeout=90s")
        # The old ones drain meanwhile.
        pods = ("get", "pods", *WEBHOOK_PODS, "--no-headers")
        await eventually(lambda: asyncio.to_thread(serin, *pods), lambda said: said.output.count("serin-webhook") == 2)
        await eventually(lambda: len(stream.marked), lambda made: made > 50)
    assert all(stream.marked), stream.unmarked


async def test_one_replica_that_is_killed_refuses_nothing(cluster: Cluster, watched: Kubectl) -> None:
    serin = Kubectl(cluster, "gloo-system")
    async with streaming(watched) as stream:
        pod = serin("get", "pods", *WEBHOOK_PODS, "-o", "jsonpath={.items[0].metadata.name}").output
        await asyncio.to_thread(serin, "delete", "pod", pod, "--grace-period=0", "--force")
        await eventually(lambda: stream.marked[-20:], lambda last: len(last) == 20 and all(last), within_s=30)
    assert stream.slowest_s < SLOWEST_APPLY_S
    serin("rollout", "status", "deployment/serin-webhook", "--timeout=60s")


async def test_without_any_replica_applies_go_on_unmarked(cluster: Cluster, watched: Kubectl) -> None:
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test/1") as client:
        stream = Stream(client, watched.namespace)
        with scaled_to(cluster, "serin-webhook", 0, back_to=2):
            await eventually(stream.change, lambda is_marked: not is_marked)
            said = watched("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:5")
            assert (said.code, said.warnings) == (0, [])
        await eventually(stream.change, bool)
        assert stream.slowest_s < SLOWEST_APPLY_S


def rewriter(name: str, namespace: str, bundle: bytes, port: int) -> str:
    """The configuration of a webhook whose name puts it after ours."""
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["*"]}
    return json.dumps(configuration("Mutating", name, namespace, bundle, port, rule))


@pytest.mark.usefixtures("patient")
async def test_the_mark_is_of_what_a_later_webhook_made_of_the_object(
    cluster: Cluster, watched: Kubectl, tmp_path: Path
) -> None:
    port, name = 18443, f"zz-{watched.namespace}"
    crt, key = certificate(tmp_path)
    command = ("python", "-m", "tests.support.rewriting_webhook", str(crt), str(key), str(port))
    with background(cluster, *command) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        watched("apply", "-f", "-", stdin=rewriter(name, watched.namespace, crt.read_bytes(), port))
        try:
            dry_run = ("set", "image", "deployment/app", "podinfod=a/b:2", "--dry-run=server", "-o", "json")
            await eventually(lambda: watched(*dry_run).output, lambda text: MIRROR in text)
            watched("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1", user="bob")
        finally:
            watched("delete", "mutatingwebhookconfiguration", name)
    template = watched.get("deployment", "app")["spec"]["template"]
    image = f"{MIRROR}stefanprodan/podinfo:3.1.1"
    assert template["spec"]["containers"][0]["image"] == image
    changed = f"podinfod image stefanprodan/podinfo:3.1.0 -> {image}"
    assert watched.mark("app") == Mark(revision_of(template), changed, "bob")
