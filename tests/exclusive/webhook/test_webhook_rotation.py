"""The shipped webhook's own certificates on a cluster, while applies go on: rotated, wiped, lost."""

import asyncio
import base64
import json
from copy import deepcopy
from pathlib import Path

import pytest
from cryptography import x509

from kube.client import Client
from kube.resource import MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS
from tests.support.applying import Kubectl
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.eventually import eventually
from tests.support.replicas import Replicas
from tests.support.reviews import review_bytes
from tests.support.stream import Stream, apply_target, streaming
from tests.support.webhook_patience import be_patient

pytestmark = [pytest.mark.usefixtures("patient_webhook")]

CONFIGURATIONS = REPOSITORY / "manifests" / "webhook" / "configurations.yaml"
SHIPPED = REPOSITORY / "sandbox" / "serin"
NAME = "serin-webhook"
SERVER = "serin-webhook.gloo-system.svc"
SECRET = "secret/serin-webhook-authority"
LONG_AGO = base64.b64encode(b"0").decode()


@pytest.fixture
def watched(cluster: Cluster, namespace: str) -> Kubectl:
    """A target without pods, whose canary is suspended."""
    kubectl = Kubectl(cluster, namespace)
    apply_target(kubectl)
    return kubectl


@pytest.fixture
def serin(cluster: Cluster) -> Kubectl:
    return Kubectl(cluster, "gloo-system")


async def told(client: Client) -> list[x509.Certificate]:
    """Whom every entry of both configurations says to trust; nobody while two entries differ."""
    configurations = [await client.get(resource, NAME) for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS)]
    entries = [entry for configuration in configurations for entry in configuration["webhooks"]]
    bundles = {entry["clientConfig"].get("caBundle", "") for entry in entries}
    pem = base64.b64decode(bundles.pop()) if len(bundles) == 1 else b""
    return x509.load_pem_x509_certificates(pem) if pem else []


async def more(stream: Stream, changes: int = 20) -> None:
    """Let some more changes be made."""
    wanted = len(stream.marked) + changes
    await eventually(lambda: len(stream.marked), lambda made: made >= wanted)


async def rotate(client: Client, serin: Kubectl, stream: Stream) -> None:
    """Change the authority as docs/operating/certificates.md tells those who can't wait for the hour of overlap."""
    before = await told(client)
    await asyncio.to_thread(patch_data, serin, {"ca.key": None})
    await eventually(lambda: told(client), lambda after: len(after) == len(before) + 1)
    await eventually(lambda: data(serin), lambda kept: "published-at" in kept)
    await more(stream)
    await asyncio.to_thread(patch_data, serin, {"published-at": LONG_AGO})
    await eventually(lambda: data(serin), lambda kept: "published-at" not in kept)


def patch_data(serin: Kubectl, change: dict[str, str | None]) -> None:
    serin("patch", SECRET, "--type=merge", "-p", json.dumps({"data": change}))


def data(serin: Kubectl) -> dict[str, str]:
    found: dict[str, str] = serin.get(*SECRET.split("/"))["data"]
    return found


async def test_authority_and_leaf_are_rotated_under_a_stream_with_no_change_refused_or_unmarked(
    cluster: Cluster, serin: Kubectl, watched: Kubectl
) -> None:
    replicas = Replicas(cluster)
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test/1") as client:
        trusted = await told(client)
        [first] = set(replicas.served())
        pods = replicas.names()
        async with streaming(watched) as stream:
            await rotate(client, serin, stream)
            # The API server keeps its connections open. Another caBundle has it make new ones, to the leaf of the one
            # before.
            await rotate(client, serin, stream)
            await more(stream)
        newest, second, *others = await told(client)
        assert others == trusted
        served = await eventually(
            lambda: asyncio.to_thread(replicas.served), lambda seen: len(seen) == 2 and len(set(seen)) == 1
        )
    assert all(stream.marked), stream.unmarked
    assert served[0] != first
    served[0].verify_directly_issued_by(newest)
    assert len({certificate.subject for certificate in (newest, second, *others)}) == len(trusted) + 2
    assert replicas.names() == pods, "no replica was started again"


async def test_a_wiped_bundle_is_back_and_nothing_was_refused(
    cluster: Cluster, serin: Kubectl, watched: Kubectl
) -> None:
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test/1") as client:
        before = await told(client)
        async with streaming(watched) as stream:
            await asyncio.to_thread(serin, "replace", "-f", str(CONFIGURATIONS))
            await eventually(lambda: told(client), lambda after: after == before)
            await asyncio.to_thread(be_patient, cluster)
            await eventually(lambda: stream.marked[-10:], lambda last: len(last) == 10 and all(last))


async def test_a_deleted_secret_is_made_anew_and_nothing_was_refused(
    cluster: Cluster, serin: Kubectl, watched: Kubectl
) -> None:
    replicas = Replicas(cluster)
    async with Client.connect(kubeconfig=cluster.kubeconfig, user_agent="test/1") as client:
        before = await told(client)
        async with streaming(watched) as stream:
            await asyncio.to_thread(serin, "delete", SECRET)
            await asyncio.to_thread(
                serin, "apply", "-k", str(SHIPPED), "-l", "app.kubernetes.io/managed-by=serin-webhook"
            )
            [authority] = await eventually(lambda: told(client), lambda after: bool(after) and after[0] != before[0])
            await more(stream)
            await eventually(lambda: stream.marked[-10:], lambda last: len(last) == 10 and all(last))
        served = await eventually(
            lambda: asyncio.to_thread(replicas.served), lambda seen: len(seen) == 2 and len(set(seen)) == 1
        )
    served[0].verify_directly_issued_by(authority)


def test_either_replica_gives_the_same_answer_under_a_certificate_that_the_bundle_trusts(
    cluster: Cluster, serin: Kubectl, watched: Kubectl, tmp_path: Path
) -> None:
    entry = serin.get("mutatingwebhookconfiguration", NAME)["webhooks"][0]["clientConfig"]
    (tmp_path / "ca.crt").write_bytes(base64.b64decode(entry["caBundle"]))
    stored = watched.get("deployment", "app")
    changed = deepcopy(stored)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "stefanprodan/podinfo:3.1.1"
    (tmp_path / "review.json").write_bytes(review_bytes(changed, stored))
    ask = ["curl", "--silent", "--show-error", "--fail", "--cacert", str(tmp_path / "ca.crt")]
    ask += ["--json", f"@{tmp_path / 'review.json'}", f"https://{SERVER}:9443{entry['service']['path']}"]
    answers = [
        json.loads(cluster.run(*ask, "--connect-to", f"{SERVER}:9443:{address}:9443"))["response"]
        for address in Replicas(cluster).addresses()
    ]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    patch = json.loads(base64.b64decode(answers[0]["patch"]))
    marks = [
        operation["value"] for operation in patch if operation["path"] == "/metadata/annotations/serin.dev~1changed"
    ]
    assert marks == ["podinfod image 3.1.0 -> 3.1.1"]
