"""The names are Flagger's: a cluster taken over keeps its objects."""

from canary.api.names import Names, Side, envoy_clusters
from tests.support.podinfo import podinfo_canary


def test_names_are_those_that_flagger_gives() -> None:
    assert Names.of(podinfo_canary()) == Names(
        namespace="test",
        port=9898,
        apex="podinfo",
        primary_service="podinfo-primary",
        canary_service="podinfo-canary",
        target="podinfo",
        primary_workload="podinfo-primary",
        primary_scaler="podinfo-primary",
        primary_upstream="test-podinfo-primaryupstream-9898",
        canary_upstream="test-podinfo-canaryupstream-9898",
        route_table="podinfo",
    )


def test_service_name_is_the_apex_and_leaves_the_workloads_names_alone() -> None:
    names = Names.of(podinfo_canary(service={"name": "web"}))
    assert (names.apex, names.primary_service, names.canary_service) == ("web", "web-primary", "web-canary")
    assert (names.target, names.primary_workload) == ("podinfo", "podinfo-primary")
    assert names.canary_upstream == "test-web-canaryupstream-9898"
    assert names.route_table == "web"


def test_canary_without_autoscaler_has_no_primary_scaler() -> None:
    assert Names.of(podinfo_canary(autoscalerRef=None)).primary_scaler is None


def test_envoys_clusters_are_named_as_gloo_names_them_with_and_without_its_kube_gateway() -> None:
    assert envoy_clusters("conf-app-canaryupstream-9898", "conf", "app-canary", 9898) == (
        "conf-app-canaryupstream-9898_conf",
        "kube-upstream_conf-app-canaryupstream-9898_conf_conf_app-canary_9898",
    )
    assert Names.of(podinfo_canary()).envoy_clusters(Side.PRIMARY) == (
        "test-podinfo-primaryupstream-9898_test",
        "kube-upstream_test-podinfo-primaryupstream-9898_test_test_podinfo-primary_9898",
    )
