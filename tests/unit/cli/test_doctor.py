"""`serin doctor`: a cluster in which all is well, and one thing wrong at a time: what is told, and what mends it."""

import json
import re
import shlex

import pytest

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Serin
from tests.unit.cli.doctor_faults import FAULTS, Break
from tests.unit.cli.installed import install


def findings(serin: Serin, *options: str) -> dict[str, list[Object]]:
    """What is not ok, by check."""
    ran = serin("doctor", "-A", "-o", "json", *options)
    assert ran.code in {0, 1}, ran
    said = json.loads(ran.stdout)
    assert ran.code == (1 if said["faults"] else 0)
    found: dict[str, list[Object]] = {}
    for one in said["findings"]:
        if one["verdict"] != "ok":
            found.setdefault(one["check"], []).append(one)
    return found


def only(found: dict[str, list[Object]], check: str) -> Object:
    assert [*found] == [check], found
    assert len(found[check]) == 1, found
    return found[check][0]


def test_nothing_is_wrong(api: ClusterApi, serin: Serin) -> None:
    install(api)
    ran = serin("doctor")
    assert (ran.code, ran.stderr) == (0, "")
    text = re.sub(r"http://127\S+|\d{4}-\d\d-\d\d|\d+ s ago", "X", ran.stdout)
    assert text.splitlines() == [
        "ok           kubernetes  v1.34.1 at X",
        (
            "ok           crds        canaries.flagger.app, metrictemplates.flagger.app, "
            "alertproviders.flagger.app: v1beta1, "
            "and all that Serin stores is kept"
        ),
        (
            "ok           gloo        CRDs routetables.gateway.solo.io, virtualservices.gateway.solo.io, "
            "upstreams.gloo.solo.io"
        ),
        "ok           gloo        version 1.18.2",
        "ok           gloo        gloo-system/gloo: 1/1 ready",
        "ok           gloo        gloo-system/gateway-proxy: 1/1 ready",
        (
            "ok           gloo        Settings gloo-system/default: warnings accepted; Kubernetes destinations "
            "on, function "
            "discovery WHITELIST: both do"
        ),
        "ok           agent       gloo-system/serin-agent serin:0.2.0: 1/1 ready, for canaries of all namespaces",
        "ok           agent       Lease gloo-system/serin-agent: held by serin-agent-7d9f_u1, renewed X",
        (
            "ok           agent       --metrics-server=http://flagger-prometheus.gloo-system:9090, 1 gateway "
            "namespace: "
            "gloo-system"
        ),
        "ok           rights      system:serviceaccount:gloo-system:serin-agent may all 56 things that it needs",
        "ok           webhook     Service gloo-system/serin-webhook: 2 of 2 pods behind it",
        "ok           webhook     caBundle in all entries, its certificate ends X",
        "ok           webhook     failurePolicy Ignore: without it applies go on",
        "ok           webhook     it refuses a faulty Canary (a dry run), so the API server trusts its certificate",
        (
            "ok           prometheus  http://flagger-prometheus.gloo-system:9090 answers, and has all series of "
            "the builtin "
            "checks"
        ),
        "ok           prometheus  series for both sides of 1 canary",
        "ok           prometheus  the webhook's certificate ends in 300 days",
        "ok           flagger     no Flagger runs",
        "ok           routes      1 RouteTable: accepted, and VirtualServices lead there",
        "ok           canaries    1 canary, 1 ready: 1 Succeeded",
        "0 faults, 0 warnings, 21 ok, 0 not checked",
    ]
    assert all(one.startswith("GET") or "dryRun=All" in one or "subjectaccessreviews" in one for one in api.requests)


@pytest.mark.parametrize(("broken", "check", "found", "mend"), FAULTS, ids=lambda one: getattr(one, "__name__", ""))
def test_a_fault_is_told_with_what_mends_it(
    api: ClusterApi, serin: Serin, broken: Break, check: str, found: str, mend: list[str]
) -> None:
    broken(api, install(api))
    told = findings(serin)
    faults = [(name, one) for name, some in told.items() for one in some if one["verdict"] == "fault"]
    assert [(name, _undated(one["found"]), one["mend"]) for name, one in faults] == [(check, found, mend)]
    for command in mend:
        assert len(shlex.split(command)) > 1  # quotes are closed


def _undated(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "X", re.sub(r"60\d s ago", "60X s ago", text))
