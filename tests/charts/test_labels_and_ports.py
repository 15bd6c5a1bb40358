"""Values that YAML reads as something else, and what stands in a free-form value and matters elsewhere too."""

import pytest

from tests.support.charts import Json, by_key, pod_of, render, template


@pytest.mark.parametrize(("chart", "deployment"), [("serin", "serin-agent"), ("loadtester", "loadtester")])
def test_labels_are_texts_whatever_yaml_took_them_for(chart: str, deployment: str) -> None:
    values = {"nodeSelector": {"system": True, "pool": 10000000}, "podLabels": {"build": 20000000}}
    objects = render(chart, values=values)
    assert pod_of(objects, deployment)["nodeSelector"] == {"system": "true", "pool": "10000000"}
    [found] = [one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == deployment]
    assert found["spec"]["template"]["metadata"]["labels"]["build"] == "20000000"


@pytest.mark.parametrize("chart", ["serin", "loadtester"])
def test_what_can_not_be_a_label_is_refused(chart: str) -> None:
    done = template(chart, values={"nodeSelector": {"pool": "system nodes"}})
    assert done.returncode != 0
    assert "at '/nodeSelector/pool': 'system nodes' does not match pattern" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--page-port=9000"], ["--page-port", "9000"], ["--page-port=1", "--page-port=9000"]]
)
def test_the_service_of_the_page_leads_to_the_port_that_the_agent_is_told(arguments: list[str]) -> None:
    values: Json = {"page": {"auth": "token"}, "extraArgs": arguments}
    objects = render(values=values)
    ports = pod_of(objects, "serin-agent")["containers"][0]["ports"]
    assert {"name": "page", "containerPort": 9000, "protocol": "TCP"} in ports
    found = by_key(objects)
    assert found["Service", "gloo-system", "serin-agent"]["spec"]["ports"][1] == {
        "name": "page",
        "port": 8081,
        "protocol": "TCP",
        "targetPort": "page",
    }
    assert found["NetworkPolicy", "gloo-system", "serin-agent"]["spec"]["ingress"][0]["ports"][1] == {"port": "page"}


def test_a_service_of_a_page_that_is_off_is_refused() -> None:
    done = template(values={"page": {"auth": "token"}, "extraArgs": ["--page-port=0"]})
    assert "extraArgs: found --page-port=0 with page.auth token; allowed: a port, or page.auth none" in done.stderr
    assert template(values={"extraArgs": ["--page-port=0"]}).returncode == 0
