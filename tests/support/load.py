"""Users of an application behind the sandbox's gateway: a steady load, and single requests that are looked at."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.cluster import Cluster
from tests.support.mortal_agent import background
from tests.support.rollout import Rollouts, canary, podinfo

GATEWAY = "http://gateway-proxy.gloo-system/"

_LOGGED_WITHIN_S = 1.5


def virtual_service(namespace: str, table: str = "app") -> dict[str, Any]:
    """Route the host `{namespace}.example.com` to a canary's RouteTable."""
    route = {"matchers": [{"prefix": "/"}], "delegateAction": {"ref": {"name": table, "namespace": namespace}}}
    return {
        "apiVersion": "gateway.solo.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": table},
        "spec": {"virtualHost": {"domains": [f"{namespace}.example.com"], "routes": [route]}},
    }


def initialize(rollouts: Rollouts, analysis: dict[str, Any] | None = None, *, replicas: int = 1, **spec: Any) -> None:
    """Apply podinfo, its VirtualService and its canary, all named `app`, and wait until the gateway serves it."""
    rollouts.apply(
        podinfo("app", replicas=replicas), virtual_service(rollouts.namespace), canary("app", analysis, **spec)
    )
    rollouts.wait_for_phase("app", "Initialized")
    rollouts.wait_for("the gateway serves it", lambda: bool(answer(rollouts.cluster, rollouts.namespace)))


def answer(cluster: Cluster, namespace: str, url: str = GATEWAY) -> dict[str, Any]:
    """What podinfo says of itself, through the gateway or at the URL of a Service; empty when nobody answers."""
    try:
        text = cluster.run("curl", "-sf", "-m", "20", "-H", f"Host: {namespace}.example.com", url)
        said: dict[str, Any] = json.loads(text)
    except (subprocess.CalledProcessError, json.JSONDecodeError):
        return {}
    return said


def serving_tag(cluster: Cluster, namespace: str) -> str:
    """Return the image tag of the pod that answers through the gateway; empty when nobody answers.

    podinfo's own word for its version is that of its build, whatever the tag.
    """
    pod = answer(cluster, namespace).get("hostname", "")
    if not pod:
        return ""
    image = cluster.kubectl("-n", namespace, "get", "pod", pod, "-o", "jsonpath={.spec.containers[0].image}")
    return image.partition(":")[2]


@contextmanager
def steady_load(cluster: Cluster, namespace: str, *, minutes: int = 10) -> Iterator[list[str]]:
    """Fifty requests a second until the block ends, `minutes` at most; then hey's report is the one item of the list.

    After a loss it says when, and Envoy's reason: `UH`, no endpoint, `NC`, no such cluster, `UF`, none that answered.
    """
    reports: list[str] = []
    host = f"{namespace}.example.com"
    with background(cluster, "hey", "-z", f"{minutes}m", "-q", "25", "-c", "2", "-host", host, GATEWAY) as load:
        try:
            yield reports
        finally:
            cluster.run("pkill", "-INT", "-f", host)
            report = load.communicate(timeout=20)[0]
            reports.append(report + (_reasons(cluster, host) if lost_requests(report) else ""))


def _reasons(cluster: Cluster, host: str) -> str:
    """Return the lines of the gateway's access log, which has only failures, about a host."""
    time.sleep(_LOGGED_WITHIN_S)
    lines = cluster.kubectl("-n", "gloo-system", "logs", "deployment/gateway-proxy", "-c", "envoy").splitlines()
    return "\n".join(["Of that the gateway says:", *(line for line in lines if host in line)])


def assert_no_request_lost(report: str) -> None:
    """Hold hey's report against nothing but answers 200."""
    assert "Error distribution" not in report, report
    codes = {line.split()[0] for line in report.splitlines() if line.strip().startswith("[")}
    assert codes == {"[200]"}, report


def sent_requests(report: str) -> int:
    """Count the requests in hey's report that were answered with 200, or lost."""
    answered = [line.split() for line in report.splitlines() if line.strip().startswith("[200]")]
    return sum(int(count) for _, count, *_ in answered) + lost_requests(report)


def lost_requests(report: str) -> int:
    """Count the requests in hey's report that got another answer than 200, or none."""
    answers, _, errors = report.partition("Error distribution:")
    counts = [line.split() for line in answers.splitlines() if line.strip().startswith("[")]
    refused = sum(int(count) for code, count, *_ in counts if code != "[200]")
    unanswered = [line.split()[0] for line in errors.splitlines() if line.strip().startswith("[")]
    return refused + sum(int(count.strip("[]")) for count in unanswered)
