"""The custom resources that the webhook keeps, as the API server serves them."""

from typing import Final

from kube.resource import Resource

CANARIES: Final = Resource("flagger.app", "v1beta1", "canaries", "Canary")
ALERT_PROVIDERS: Final = Resource("flagger.app", "v1beta1", "alertproviders", "AlertProvider")
METRIC_TEMPLATES: Final = Resource("flagger.app", "v1beta1", "metrictemplates", "MetricTemplate")
SCALED_OBJECTS: Final = Resource("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
UPSTREAMS: Final = Resource("gloo.solo.io", "v1", "upstreams", "Upstream")
