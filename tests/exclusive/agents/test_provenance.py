"""Who changed what: the mark on a target is told with its run, and counted; without a mark the watch finds it."""

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from canary.run.mark import Mark
from canary.run.revision import revision_of
from tests.support.cluster import Cluster
from tests.support.detected import metrics
from tests.support.rollout import Rollouts, canary, podinfo


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    made = Rollouts(cluster, namespace)
    made.apply(podinfo("app"), canary("app"))
    made.wait_for_phase("app", "Initialized")
    return made


def detected(cluster: Cluster, by: str) -> tuple[int, int, float]:
    """Return the count, and number and sum of the seconds, of the revisions that were noticed in a way."""
    text = metrics(cluster)
    names = (
        "serin_revisions_detected_total",
        *(f"serin_revision_detected_seconds_{part}" for part in ("count", "sum")),
    )
    found = [re.search(rf'^{name}{{by="{by}"}} (\S+)$', text, re.MULTILINE) for name in names]
    count, number, seconds = (float(match[1]) if match else 0.0 for match in found)
    return int(count), int(number), seconds


def set_image_marked(rollouts: Rollouts, tag: str, mark: Mark | None) -> None:
    """Change the image together with a mark, or with one that names another template."""
    container = {"name": "podinfod", "image": f"stefanprodan/podinfo:{tag}"}
    patch: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [container]}}}}
    if mark is not None:
        patch |= {"metadata": {"annotations": mark.annotations()}}
    command = ("-n", rollouts.namespace, "patch", "deployment", "app", "--type=strategic", "-p", json.dumps(patch))
    rollouts.cluster.kubectl(*command)


def revision_with(rollouts: Rollouts, tag: str) -> str:
    template = rollouts.get("deployment", "app")["spec"]["template"]
    template["spec"]["containers"][0]["image"] = f"stefanprodan/podinfo:{tag}"
    return revision_of(template)


def test_a_marked_revision_is_told_with_who_and_what(rollouts: Rollouts) -> None:
    before, began_s = detected(rollouts.cluster, "admission"), time.monotonic()
    revision = revision_with(rollouts, "3.1.1")
    set_image_marked(rollouts, "3.1.1", Mark(revision, "podinfod image 3.1.0 -> 3.1.1", "alice"))
    rollouts.wait_until_told("app", "New revision detected!")
    change = rollouts.status("app")["serin"]["change"]
    assert change["revision"] == revision
    assert change["what"] == "podinfod image 3.1.0 -> 3.1.1"
    said = f"New revision detected! Scaling up app.{rollouts.namespace}: {change['what']}, applied by {change['by']}"
    rollouts.wait_for("its event", lambda: ("Normal", said) in rollouts.events("app"))
    after = detected(rollouts.cluster, "admission")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    # The time of the write is stored in whole seconds.
    assert 0 <= after[2] - before[2] <= time.monotonic() - began_s + 1, "seconds from the write to the reaction"


@pytest.fixture
def no_webhook(cluster: Cluster) -> Iterator[None]:
    """Take the admission webhook away."""
    scale = ("-n", "gloo-system", "scale", "deployment/serin-webhook")
    cluster.kubectl(*scale, "--replicas=0")
    cluster.kubectl("-n", "gloo-system", "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=serin-webhook")
    yield
    cluster.kubectl(*scale, "--replicas=2")
    cluster.kubectl("-n", "gloo-system", "rollout", "status", "deployment/serin-webhook", "--timeout=60s")


@pytest.mark.usefixtures("no_webhook")
def test_an_unmarked_revision_is_found_by_the_watch_and_tells_of_nobody(rollouts: Rollouts) -> None:
    before = detected(rollouts.cluster, "watch")
    set_image_marked(rollouts, "3.1.1", None)
    rollouts.wait_until_told("app", "New revision detected!")
    assert "change" not in rollouts.status("app")["serin"], "the mark of an older template is taken for this one's"
    said = ("Normal", f"New revision detected! Scaling up app.{rollouts.namespace}")
    rollouts.wait_for("its event", lambda: said in rollouts.events("app"))
    after = detected(rollouts.cluster, "watch")
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
