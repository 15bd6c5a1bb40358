"""Scrapes by the Prometheus operator: of the agent and of the webhook, wherever the monitors are."""

from tests.support.charts import Json, by_key, render


def test_monitors_elsewhere_look_into_the_namespace_of_the_release() -> None:
    values: Json = {"podMonitor": {"enabled": True, "namespace": "monitoring", "interval": "30s"}}
    found = by_key(render(values=values))
    for name in ("serin-agent", "serin-webhook"):
        spec = found["PodMonitor", "monitoring", name]["spec"]
        assert spec["namespaceSelector"] == {"matchNames": ["gloo-system"]}
        assert spec["podMetricsEndpoints"][0]["interval"] == "30s"


def test_service_monitors_are_of_both_programs() -> None:
    """The webhook's Service has no port for scrapes, so that of its pods is named."""
    values: Json = {"serviceMonitor": {"enabled": True, "namespace": "monitoring", "labels": {"release": "kube"}}}
    found = by_key(render(values=values))
    ways = {
        "serin-agent": {"port": "http", "path": "/metrics", "interval": "15s", "honorLabels": True},
        "serin-webhook": {"targetPort": "http", "path": "/metrics", "interval": "15s"},
    }
    for name, way in ways.items():
        monitor = found["ServiceMonitor", "monitoring", name]
        assert monitor["metadata"]["labels"]["release"] == "kube"
        assert monitor["spec"] == {
            "selector": {"matchLabels": {"app.kubernetes.io/name": name}},
            "namespaceSelector": {"matchNames": ["gloo-system"]},
            "endpoints": [way],
        }
        service = found["Service", "gloo-system", name]
        assert service["metadata"]["labels"]["app.kubernetes.io/name"] == name
        pod = found["Deployment", "gloo-system", name]["spec"]["template"]["spec"]
        assert "http" in {port["name"] for port in pod["containers"][0]["ports"]}


def test_without_a_webhook_there_is_none_to_scrape() -> None:
    found = by_key(render(values={"serviceMonitor": {"enabled": True}, "webhook": {"enabled": False}}))
    assert [key[2] for key in found if key[0] == "ServiceMonitor"] == ["serin-agent"]


def test_runbooks_are_addresses_where_the_docs_are_served() -> None:
    values: Json = {"prometheusRule": {"enabled": True, "runbookBaseUrl": "https://docs.example.com/serin/"}}
    [rule] = [one for one in render(values=values) if one["kind"] == "PrometheusRule"]
    found = {one["alert"]: one["annotations"] for one in rule["spec"]["groups"][0]["rules"]}
    assert found["SerinRunStuck"]["runbook"] == "how-to/firing.md#serinrunstuck"
    assert found["SerinRunStuck"]["runbook_url"] == "https://docs.example.com/serin/how-to/firing.md#serinrunstuck"
    assert all("runbook_url" in one for one in found.values())
