"""The custom resources that the agent reads and writes, as the API server serves them."""

from typing import Final

from kube.resource import Resource

CANARIES: Final = Resource("flagger.app", "v1beta1", "canaries", "Canary")
ALERT_PROVIDERS: Final = Resource("flagger.app", "v1beta1", "alertproviders", "AlertProvider")
METRIC_TEMPLATES: Final = Resource("flagger.app", "v1beta1", "metrictemplates", "MetricTemplate")
ROUTE_TABLES: Final = Resource("gateway.solo.io", "v1", "routetables", "RouteTable")
VIRTUAL_SERVICES: Final = Resource("gateway.solo.io", "v1", "virtualservices", "VirtualService")
SCALED_OBJECTS: Final = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
UPSTREAMS: Final = Resource("gloo.solo.io", "v1", "upstreams", "Upstream")
