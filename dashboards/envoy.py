"""The queries that the builtin checks ask of Envoy's series, with Grafana's variables in the place of their values."""

import json
from typing import Final

from canary.api.names import Names, Side, primary_name, service_name, upstream_name
from render.builtin_metrics import CODE_LABEL, request_count, request_duration, request_success_rate

WINDOW: Final = "$__rate_interval"

CLUSTERS: Final = {Side.PRIMARY: "primary_cluster", Side.CANARY: "canary_cluster"}
"""The hidden variables with the names of each side's cluster."""

REQUESTS: Final = "envoy_cluster_upstream_rq_total"

_CODES: Final = "envoy_cluster_upstream_rq"
_P99: Final = "histogram_quantile(0.99,"
# Numbers that stand in no query otherwise: each is replaced by what Grafana fills in.
_PORT: Final = 64_999
_WINDOW_S: Final = 987_654_321


def _names() -> Names:
    namespace, apex, target = "${namespace}", "${apex}", "$canary"
    return Names(
        namespace=namespace,
        port=_PORT,
        apex=apex,
        primary_service=service_name(apex, Side.PRIMARY),
        canary_service=service_name(apex, Side.CANARY),
        target=target,
        primary_workload=primary_name(target),
        primary_scaler=None,
        primary_upstream=upstream_name(namespace, apex, Side.PRIMARY, _PORT),
        canary_upstream=upstream_name(namespace, apex, Side.CANARY, _PORT),
        route_table=apex,
    )


_NAMES: Final = _names()


def clusters(side: Side) -> str:
    """Return a pattern of the names of one side's cluster on any port, with the variables `namespace` and `apex`."""
    return "|".join(_NAMES.envoy_clusters(side)).replace(str(_PORT), "[0-9]+")


def requests_per_second(side: Side) -> str:
    """Return how many requests the side gets each second."""
    return _filled(request_count(_NAMES, side, _WINDOW_S).text, side).replace("increase(", "rate(")


def success_percent(side: Side) -> str:
    """Return the share of good answers as the check counts them; nothing while there are no requests."""
    by_code = _filled(request_success_rate(_NAMES, side, _WINDOW_S).text, side)
    chosen = f"{_CODES}{{{_matcher(side)}"
    bad = by_code.replace(f"{chosen}}}", f'{chosen},{CODE_LABEL}=~"5.."}}')
    return f"100 * (1 - ((sum({bad}) or vector(0)) / (sum({by_code}) > 0)))"


def latency_ms(side: Side, share: float) -> str:
    """Return a quantile of the response times in milliseconds; the check's own is 0.99."""
    text = _filled(request_duration(_NAMES, side, _WINDOW_S).text, side)
    return text.replace(_P99, f"histogram_quantile({share},")


def _filled(query: str, side: Side) -> str:
    """Put the variables into a query that was made for `_NAMES`."""
    matcher = f"envoy_cluster_name=~{json.dumps('|'.join(_NAMES.envoy_clusters(side)))}"
    return query.replace(matcher, _matcher(side)).replace(f"{_WINDOW_S}s", WINDOW)


def _matcher(side: Side) -> str:
    return f'envoy_cluster_name=~"${CLUSTERS[side]}"'
