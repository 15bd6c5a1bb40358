"""A cluster with Gloo and without Serin, which the tests of this folder install by Helm and remove again."""

from collections.abc import Iterator

import pytest

from tests.support.cluster import REPOSITORY, Cluster
from tests.support.releases import NAMESPACE

_CRDS = ("canaries", "metrictemplates", "alertproviders")


@pytest.fixture(scope="package")
def cluster(worker_id: str) -> Iterator[Cluster]:
    """A sandbox without Serin, of this folder alone.

    Named so that tests/support/rights_used.py leaves it alone: a webhook with the manifests of 0.1.0 has other rights.
    """
    own = Cluster(REPOSITORY / "build" / f"helm-sandbox-{worker_id}")
    with own.held(with_serin=False):
        yield own


@pytest.fixture(autouse=True)
def _bare(cluster: Cluster) -> Iterator[None]:
    """Take away what a test has left of Serin, in the order of docs/operating/uninstall.md."""
    yield
    labels = "app.kubernetes.io/name in (serin-agent, serin-webhook, serin-webhook-authority, flagger-prometheus)"
    ours = ("-l", labels, "--ignore-not-found")
    policies = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    webhooks = "mutatingwebhookconfigurations,validatingwebhookconfigurations"
    cluster.kubectl("delete", f"{policies},{webhooks},clusterroles,clusterrolebindings", *ours)
    of_namespace = (
        "deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,secrets"
    )
    cluster.kubectl("-n", NAMESPACE, "delete", of_namespace, *ours)
    cluster.kubectl("-n", NAMESPACE, "delete", "secrets", "-l", "owner=helm", "--ignore-not-found")
    cluster.kubectl("-n", NAMESPACE, "delete", "lease/serin-agent", "secret/serin-fingerprints", "--ignore-not-found")
    cluster.kubectl("delete", "crd", *(f"{name}.flagger.app" for name in _CRDS), "--ignore-not-found")
