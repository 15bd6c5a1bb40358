"""The two Upstreams: what Gloo routes to. Ours, because Gloo's own discovery may be turned off.

Source of the shape: Flagger 1.44, `getGlooUpstreamKubeService`. Flagger copies fewer settings, and of later edits it
follows those of `loadBalancerConfig` only.
"""

from typing import Any, Final

from canary.api.canary import Canary
from canary.api.names import Names, Side
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import Object, UnusableObjectError
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


# Those of them that may hold credentials, or name a Secret of the namespace that the Upstream is in.
_PRIVATE_FIELDS: Final = ("sslConfig", "httpConnectSslConfig", "httpConnectHeaders", "healthChecks")
_SECRETS: Final = frozenset({"secretRef", "sslFiles", "sds", "requestHeadersToAdd", "initialMetadata"})

SHARED_ANNOTATION: Final = "serin.dev/shared-with"
"""On an Upstream: the namespaces whose canaries may copy all of its settings, `shop,web` or `*` for all."""


def upstream(
    canary: Canary,
    target: Object,
    side: Side,
    config: Object | None = None,
    *,
    primary: Object | None = None,
    settings: LabelSettings = FLAGGERS_LABELS,
) -> Object:
    """Render the Upstream of one side, with the settings of `config`, the Upstream that `upstreamRef` names.

    `primary` is the primary workload as it stands, None before there is one.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by; or the settings have
            credentials in them that another namespace did not share.
    """
    names = Names.of(canary)
    _check_shared(canary, config)
    configured = (config or {}).get("spec") or {}
    spec: dict[str, Any] = {field: configured[field] for field in _COPIED_FIELDS if field in configured}
    spec["kube"] = {
        "serviceName": names.service(side),
        "serviceNamespace": canary.namespace,
        "servicePort": canary.spec.service.port,
        "selector": side_selectors(target, primary, settings).of(side),
    }
    metadata = owned_metadata(canary, names.upstream(side))
    return {"apiVersion": UPSTREAM_API_VERSION, "kind": "Upstream", "metadata": metadata, "spec": spec}


def _check_shared(canary: Canary, config: Object | None) -> None:
    """Refuse to copy another namespace's credentials: whoever may write a Canary need not be allowed to use them.

    Without them the pods would be asked otherwise than the Upstream says, so it is not copied in part.
    """
    metadata = (config or {}).get("metadata") or {}
    namespace = metadata.get("namespace", canary.namespace)
    shared = str((metadata.get("annotations") or {}).get(SHARED_ANNOTATION, "")).replace(",", " ").split()
    if config is None or namespace == canary.namespace or not {"*", canary.namespace}.isdisjoint(shared):
        return
    settings = config.get("spec") or {}
    private = [field for field in _PRIVATE_FIELDS if _has_credentials(field, settings.get(field))]
    if private:
        named_by = {"kind": "Canary", "metadata": {"namespace": canary.namespace, "name": canary.name}}
        raise UnusableObjectError(
            named_by,
            "spec.upstreamRef",
            found=f"{namespace}/{metadata.get('name')} with {', '.join(private)}",
            allowed=f"an Upstream of namespace {canary.namespace}, one without credentials in these fields, or one "
            f"with the annotation {SHARED_ANNOTATION}: {canary.namespace}",
            reason="UpstreamNotShared",
        )


def _has_credentials(field: str, settings: Any) -> bool:
    if field == "httpConnectHeaders":
        return bool(settings)
    waiting = [settings]
    while waiting:
        match waiting.pop():
            case dict() as part:
                if not _SECRETS.isdisjoint(part):
                    return True
                waiting += part.values()
            case list() as items:
                waiting += items
            case _:
                pass
    return False
