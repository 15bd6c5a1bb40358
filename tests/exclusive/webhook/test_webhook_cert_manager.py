"""The webhook with manifests/webhook-cert-manager: another one makes its certificate, or fails to."""

import asyncio
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.support.applying import Kubectl
from tests.support.cert_manager import CertManager, crds
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.detected import detected
from tests.support.eventually import eventually
from tests.support.replicas import Replicas
from tests.support.rollout import Rollouts, canary, podinfo
from tests.support.stream import apply_target, streaming
from tests.support.webhook_patience import patience

SHIPPED = REPOSITORY / "sandbox" / "serin"
COMPONENT = REPOSITORY / "manifests" / "webhook-cert-manager"
HOUR_S = 3600.0


@pytest.fixture(scope="module")
def cert_manager(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CertManager]:
    """Serin as for a cluster with cert-manager; as shipped again after the tests."""
    serin, made = Kubectl(cluster, "gloo-system"), CertManager(cluster)
    serin.apply(*crds())
    serin("wait", "--for=condition=Established", "crd/certificates.cert-manager.io", "crd/issuers.cert-manager.io")
    folder = tmp_path_factory.mktemp("serin")
    resources, components = ([os.path.relpath(path, folder)] for path in (SHIPPED, COMPONENT))
    (folder / "kustomization.yaml").write_text(json.dumps({"resources": resources, "components": components}))
    try:
        serin("apply", "-k", str(folder))
        made.issue()
        made.inject()
        serin("rollout", "status", "deployment/serin-webhook", "--timeout=60s")
        # What the component leaves out is not there in a new installation.
        serin("delete", "-f", str(COMPONENT / "no-authority.yaml"))
        with patience(cluster):
            yield made
    finally:
        serin("apply", "-k", str(SHIPPED))
        serin("rollout", "status", "deployment/serin-webhook", "--timeout=60s")
        serin("delete", "crd", "certificates.cert-manager.io", "issuers.cert-manager.io")
        serin("delete", "secret", "-l", "controller.cert-manager.io/fao=true")


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Kubectl:
    return Kubectl(cluster, namespace)


def test_the_replicas_that_still_have_an_authority_of_their_own_leave_the_injected_bundle_alone(
    cert_manager: CertManager,
) -> None:
    assert cert_manager.is_injected()


async def test_a_renewed_certificate_is_served_under_a_stream_with_no_change_refused_or_unmarked(
    cluster: Cluster, cert_manager: CertManager, kubectl: Kubectl
) -> None:
    apply_target(kubectl)
    replicas = Replicas(cluster)
    [first] = set(await asyncio.to_thread(replicas.served))
    pods = replicas.names()
    async with streaming(kubectl) as stream:
        await asyncio.to_thread(cert_manager.issue)
        await eventually(
            lambda: asyncio.to_thread(replicas.served), lambda seen: len(set(seen)) == 1 and first not in seen
        )
    assert all(stream.marked), stream.unmarked
    assert len(stream.marked) > 20
    assert replicas.names() == pods, "no replica was started again"


def test_with_an_expired_certificate_applies_go_on_and_the_watch_finds_the_revision(
    cluster: Cluster, cert_manager: CertManager, kubectl: Kubectl
) -> None:
    replicas, rollouts = Replicas(cluster), Rollouts(cluster, kubectl.namespace)
    rollouts.apply(podinfo("app"), canary("app"))
    rollouts.wait_for_phase("app", "Initialized")

    # Of another authority, so that the API server gives up its open connections, and meets the certificate.
    cert_manager.forget_authorities()
    cert_manager.issue(age_s=2 * HOUR_S, lifetime_s=HOUR_S)
    cert_manager.inject()
    rollouts.wait_for("it is served", lambda: [left_s < 0 for left_s in replicas.left_s()] == [True, True])
    assert all(certificate.not_valid_after_utc < datetime.now(UTC) for certificate in replicas.served())

    before = detected(cluster, "watch")
    said = kubectl("set", "image", "deployment/app", "podinfod=stefanprodan/podinfo:3.1.1")
    assert said.warnings == []
    assert "was not changed" not in said.output
    failure = failures_to_ask(cluster)[-1]
    assert "certificate has expired" in failure, "it was waited for"
    rollouts.wait_until_told("app", "New revision detected!")
    assert "change" not in rollouts.status("app")["serin"]
    rollouts.wait_for("it is counted", lambda: detected(cluster, "watch") == before + 1)

    rollouts.wait_for("no replica is ready any more", lambda: replicas.readiness() == [False, False])
    cert_manager.issue()
    rollouts.wait_for("it is valid again", lambda: replicas.readiness() == [True, True])
    rollouts.wait_for("changes are marked again", lambda: is_marked(kubectl))


def failures_to_ask(cluster: Cluster) -> list[str]:
    """Return the API server's words about workloads that it let in without the webhook."""
    log = (cluster.state / "logs" / "kube-apiserver.log").read_text()
    return [line for line in log.splitlines() if "failing open workloads.serin.dev" in line]


def is_marked(kubectl: Kubectl) -> bool:
    said = kubectl("set", "image", "deployment/app", "podinfod=a:1", "--dry-run=server", "-o", "json")
    return "podinfod image" in said.output
