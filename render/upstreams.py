"""The two Upstreams: what Gloo routes to. Ours, because Gloo's own discovery may be turned off.

Source of the shape: Flagger 1.44, `getGlooUpstreamKubeService`. Flagger copies fewer settings, and of later edits it
follows those of `loadBalancerConfig` only.
"""

from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, Side
from render.objects import Object
from render.ownership import owned_metadata
from render.selectors import side_selectors

UPSTREAM_API_VERSION: Final = "gloo.solo.io/v1"

# How to talk to what an Upstream points to; neither where that is (`kube`, `static`, `failover`, ...) nor who found it.
_COPIED_FIELDS: Final = (
    "sslConfig",
    "circuitBreakers",
    "loadBalancerConfig",
    "connectionConfig",
    "healthChecks",
    "outlierDetection",
    "useHttp2",
    "initialStreamWindowSize",
    "initialConnectionWindowSize",
    "maxConcurrentStreams",
    "overrideStreamErrorOnInvalidHttpMessage",
    "httpProxyHostname",  # Flagger writes `httpProxyHostName`, which Gloo does not know
    "httpConnectSslConfig",
    "httpConnectHeaders",
    "ignoreHealthOnHostRemoval",
    "respectDnsTtl",
    "dnsRefreshRate",
    "proxyProtocolVersion",
    "protocolSelection",
    "preconnectPolicy",
    "disableIstioAutoMtls",
)


def upstream(
    canary: Canary, target: Object, side: Side, config: Object | None = None, *, primary: Object | None = None
) -> Object:
    """Render the Upstream of one side, with the settings of `config`, the Upstream that `upstreamRef` names.

    `primary` is the primary workload as it stands, None before there is one.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    names = Names.of(canary)
    settings = (config or {}).get("spec") or {}
    spec: dict[str, Any] = {field: settings[field] for field in _COPIED_FIELDS if field in settings}
    spec["kube"] = {
        "serviceName": names.service(side),
        "serviceNamespace": canary.namespace,
        "servicePort": canary.spec.service.port,
        "selector": side_selectors(target, primary).of(side),
    }
    metadata = owned_metadata(canary, names.upstream(side))
    return {"apiVersion": UPSTREAM_API_VERSION, "kind": "Upstream", "metadata": metadata, "spec": spec}
