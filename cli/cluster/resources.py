"""The resources that the command reads and writes, as the API server serves them."""

from typing import Final

from canary.api.names import DEFAULT_TARGET_KIND
from kube.resource import DAEMONSETS, DEPLOYMENTS, Resource

CANARIES: Final = Resource("flagger.app", "v1beta1", "canaries", "Canary")
METRIC_TEMPLATES: Final = Resource("flagger.app", "v1beta1", "metrictemplates", "MetricTemplate")
ALERT_PROVIDERS: Final = Resource("flagger.app", "v1beta1", "alertproviders", "AlertProvider")
ROUTE_TABLES: Final = Resource("gateway.solo.io", "v1", "routetables", "RouteTable")
VIRTUAL_SERVICES: Final = Resource("gateway.solo.io", "v1", "virtualservices", "VirtualService")
TARGETS: Final = {DEFAULT_TARGET_KIND: DEPLOYMENTS, "DaemonSet": DAEMONSETS}
