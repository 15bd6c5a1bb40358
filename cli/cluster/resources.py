"""The resources that the command reads and writes, as the API server serves them."""

from typing import Final

from canary.api.names import DEFAULT_TARGET_KIND
from kube.resource import DAEMONSETS, DEPLOYMENTS, Resource

CANARIES: Final = Resource("flagger.app", "v1beta1", "canaries", "Canary")
TARGETS: Final = {DEFAULT_TARGET_KIND: DEPLOYMENTS, "DaemonSet": DAEMONSETS}
