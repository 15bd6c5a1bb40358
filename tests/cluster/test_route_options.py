"""The service settings that treat requests on their way, seen by users and by the application, before and in a run."""

import http.client
import json
import time
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.support.cluster import Cluster
from tests.support.load import initialize
from tests.support.rollout import Rollouts, canary

ORIGIN = "https://shop.example.com"
SERVICE: dict[str, Any] = {
    "port": 9898,
    "timeout": "3s",
    "retries": {"attempts": 2, "retryOn": "5xx"},
    "headers": {
        "request": {"set": {"x-team": "a"}, "remove": ["x-secret"]},
        "response": {
            "add": {"x-added": "yes"},
            "set": {"content-type": "text/plain"},
            "remove": ["x-content-type-options"],
        },
    },
    "corsPolicy": {"allowOrigins": [{"exact": ORIGIN}], "allowMethods": ["GET", "PUT"], "maxAge": "1h"},
}
REWRITE = {"rewrite": {"uri": "/headers", "type": "ReplaceFullPath"}}
SLOW = {"interval": "1m"}


@pytest.fixture
def rollouts(cluster: Cluster, namespace: str) -> Rollouts:
    return Rollouts(cluster, namespace)


class Answer(NamedTuple):
    """What came through the gateway, and after how long."""

    status: int
    headers: Message
    body: str
    took_s: float


def ask(rollouts: Rollouts, path: str, method: str = "GET", **headers: str) -> Answer:
    """Ask once; `access_control_request_method` is the header of that name."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    gateway, began_s = urlsplit(rollouts.cluster.endpoints["gateway"]), time.monotonic()
    connection = http.client.HTTPConnection(gateway.hostname or "", gateway.port, timeout=90)
    try:
        connection.request(method, path, headers={"Host": f"{rollouts.namespace}.example.com"} | named)
        response = connection.getresponse()
        body = response.read().decode()
        return Answer(response.status, response.headers, body, time.monotonic() - began_s)
    finally:
        connection.close()


def assert_headers_are_treated(rollouts: Rollouts, path: str = "/headers") -> None:
    """Hold what the application and the user see against the settings."""
    page = ask(rollouts, path, x_team="b", x_secret="s")
    received = json.loads(page.body)
    assert (received["X-Team"], "X-Secret" in received) == (["a"], False)
    assert (page.headers["x-added"], page.headers["content-type"]) == ("yes", "text/plain")
    assert "x-content-type-options" not in page.headers


def assert_origins_are_told_apart(rollouts: Rollouts) -> None:
    asked = {"access_control_request_method": "PUT"}
    allowed = ask(rollouts, "/", "OPTIONS", origin=ORIGIN, **asked)
    told = {name: allowed.headers[f"access-control-{name}"] for name in ("allow-origin", "allow-methods", "max-age")}
    assert allowed.status == 200
    assert told == {"allow-origin": ORIGIN, "allow-methods": "GET,PUT", "max-age": "3600"}
    foreign = ask(rollouts, "/", "OPTIONS", origin="https://evil.example.com", **asked)
    assert "access-control-allow-origin" not in foreign.headers
    assert ask(rollouts, "/", origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN


def assert_a_slow_answer_is_not_waited_for(rollouts: Rollouts) -> None:
    slow = ask(rollouts, "/delay/10")
    assert slow.status == 504, "without a timeout it is 200, after ten seconds; Envoy's own is fifteen"
    assert slow.took_s > 2.9


def failures(rollouts: Rollouts) -> int:
    """How often the primary answered 500."""
    kubectl, namespace = rollouts.cluster.kubectl, rollouts.namespace
    one = "jsonpath={.items[0].metadata.name}"
    pod = kubectl("-n", namespace, "get", "pods", "-l", "app=app-primary", "-o", one)
    lines = kubectl("get", "--raw", f"/api/v1/namespaces/{namespace}/pods/{pod}:9898/proxy/metrics").splitlines()
    counts = [line for line in lines if line.startswith("http_requests_total") and 'status="500"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in counts)


def options(rollouts: Rollouts) -> dict[str, Any]:
    """The options of the table's one route."""
    (route,) = rollouts.get("routetable", "app")["spec"]["routes"]
    found: dict[str, Any] = route["options"]
    return found


def promote(rollouts: Rollouts) -> None:
    text = f"serin.dev/request=promote@{rollouts.status('app')['lastAppliedSpec']}"
    rollouts.cluster.kubectl("-n", rollouts.namespace, "annotate", "canary", "app", text)


def test_requests_are_treated_as_the_service_settings_say_before_in_and_after_a_run(rollouts: Rollouts) -> None:
    initialize(rollouts, SLOW, service=SERVICE)
    before = failures(rollouts)
    assert ask(rollouts, "/status/500").status == 500
    assert failures(rollouts) - before == 3, "two attempts more"
    assert_a_slow_answer_is_not_waited_for(rollouts)

    set_options = options(rollouts)
    assert set_options.keys() == {"timeout", "retries", "headerManipulation", "cors"}
    rollouts.set_image("app", "3.1.1")
    rollouts.wait_for("it has traffic", lambda: rollouts.weights("app") == (75, 25))
    assert options(rollouts) == set_options
    for _ in range(5):
        assert_headers_are_treated(rollouts)
    assert_origins_are_told_apart(rollouts)
    assert_a_slow_answer_is_not_waited_for(rollouts)

    assert ask(rollouts, "/no-such-page").status == 404
    rollouts.apply(canary("app", SLOW, service=SERVICE | REWRITE))
    rollouts.wait_for("the rewrite is followed", lambda: ask(rollouts, "/no-such-page").status == 200)
    assert rollouts.weights("app") == (75, 25)
    promote(rollouts)
    rollouts.wait_for_phase("app", "Succeeded")
    assert_headers_are_treated(rollouts, "/no-such-page")
    assert {name: option for name, option in options(rollouts).items() if name != "regexRewrite"} == set_options
