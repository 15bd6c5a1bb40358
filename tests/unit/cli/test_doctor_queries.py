"""`serin doctor`: the queries of users' own checks, what they may lead to, and a thousand canaries."""

import json
from typing import Any

import pytest

from tests.unit.cli.cluster_api import ClusterApi, Object
from tests.unit.cli.conftest import Serin
from tests.unit.cli.installed import PROXY, idle_canary, install, route_table, vector
from tests.unit.cli.test_doctor_warnings import ADDRESS, told


def checked(*metrics: Object) -> Object:
    analysis = {"interval": "1m", "threshold": 5, "stepWeight": 10, "metrics": list(metrics)}
    return idle_canary(analysis=analysis)


def template(name: str, query: str, **provider: Any) -> Object:
    spec = {"query": query, "provider": {"type": "prometheus", "address": ADDRESS, **provider}}
    return {"kind": "MetricTemplate", "metadata": {"name": name, "namespace": "test"}, "spec": spec}


def metric(name: str, **more: Any) -> Object:
    return {"name": name, "templateRef": {"name": name}, "thresholdRange": {"max": 1}, **more}


def test_each_query_of_a_template_is_filled_in_and_asked(api: ClusterApi, serin: Serin) -> None:
    prometheus = install(api)
    prometheus.own = {
        'single{app="podinfo"}': vector(({}, 3.0)),
        "none": vector(),
        "several": vector(({"a": "1"}, 1.0), ({"a": "2"}, float("nan"))),
        "zero_by_zero": vector(({}, float("nan"))),
        "bad": {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"},
    }
    for name in ("single", "none", "several", "bad", "zero_by_zero"):
        api.put("metrictemplates", template(name, f'{name}{{app="{{{{ target }}}}"}}'))
    api.put("metrictemplates", template("secret", "x", secretRef={"name": "s"}))
    api.put("metrictemplates", template("datadog", "x", type="datadog", secretRef={"name": "s"}))
    api.put("metrictemplates", template("outside", "x", address="https://prometheus.example.com:9090/"))
    api.put("metrictemplates", template("unset", "{{ variables.region }}"))
    checks = ("single", "none", "several", "bad", "secret", "datadog", "outside", "unset", "zero_by_zero")
    api.put("canaries", checked(*map(metric, checks)))
    ran = serin("doctor", "-A", "-o", "json")
    assert ran.code == 1
    lines = [
        " | ".join([one["verdict"], one["found"], *one["mend"]])
        for one in json.loads(ran.stdout)["findings"]
        if one["check"] == "queries"
    ]
    assert lines[0].startswith(
        "fault | test/podinfo unset: found '{{ variables.region }}' (line 1, column 1); allowed: "
    )
    assert lines[1:] == [
        'warning | test/podinfo none: 0 series for: none{app="podinfo"}',
        (
            "fault | test/podinfo several: 2 series; allowed: one, for example by sum() around the query; asked: "
            'several{app="podinfo"} | kubectl -n test edit metrictemplate several'
        ),
        (
            f'fault | test/podinfo bad at {ADDRESS}: parse error: unexpected end; asked: bad{{app="podinfo"}} | '
            "kubectl -n test edit metrictemplate bad"
        ),
        (
            "not checked | test/podinfo outside at https://prometheus.example.com:9090/: it is no Service of "
            "this cluster, "
            "and can't be asked through the API server"
        ),
        'warning | test/podinfo zero_by_zero: 0 series for: zero_by_zero{app="podinfo"}',
        "ok | 1 query of checks: one value each",
        "not checked | queries to datadog, which only the agent asks: test/podinfo datadog",
        "not checked | queries with credentials, which only the agent reads: test/podinfo secret",
    ]


@pytest.mark.parametrize(
    "address",
    [
        "http://flagger-prometheus.gloo-system:9090/../../../../../secrets",
        "http://flagger-prometheus.gloo-system:9090/%2e%2e/x",
        "http://a:b@flagger-prometheus.gloo-system:9090",
        "http://flagger-prometheus.gloo-system:99999",
    ],
)
def test_an_address_leads_nowhere_but_to_its_service(api: ClusterApi, serin: Serin, address: str) -> None:
    install(api)
    api.put("metrictemplates", template("one", "x", address=address))
    api.put("canaries", checked(metric("one")))
    api.requests.clear()
    (line,) = told(serin)
    assert line.startswith("not checked | queries | test/podinfo one at ")
    assert not any("secrets" in one for one in api.requests)


def test_a_label_of_a_series_comes_into_no_command(api: ClusterApi, serin: Serin) -> None:
    prometheus = install(api)
    prometheus.clusters = dict.fromkeys(prometheus.clusters, "x'; rm -rf ~; '")
    assert "rm -rf" not in serin("doctor", "-A").stdout


def test_a_thousand_canaries_are_told_on_one_screen(api: ClusterApi, serin: Serin) -> None:
    prometheus = install(api)
    said = {"type": "Ready", "status": "False", "reason": "TargetNotFound", "message": "no Deployment"}
    for number in range(1000):
        found = checked(metric("one"))
        found["metadata"]["name"] = found["spec"]["targetRef"]["name"] = name = f"c{number:04}"
        if number < 300:
            found["status"]["conditions"] = [said]
        api.put("canaries", found)
        api.put("routetables", route_table(name))
    api.put("metrictemplates", template("one", "one"))
    prometheus.own = {"one": vector(({}, 1.0))}
    ran = serin("doctor", "-A")
    assert ran.code == 1
    lines = ran.stdout.splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) < 700
    assert any("TargetNotFound: test/c0000, test/c0001, test/c0002 and 297 more: no Deployment" in one for one in lines)
    assert any("980 more queries: -n NAMESPACE asks those of one namespace" in one for one in lines)
    assert len([one for one in api.requests if one.startswith(PROXY)]) == 3 + 20
