"""What a query must be for its type of provider, once it is filled in.

A query without it never gets an answer, whatever the server has; its run would be rolled back, unobserved.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from canary.api import external_metric_query, keptn_query
from canary.api.metric_template import MetricProviderType

_QUERIES: Final = "a list of metric data queries, as JSON"
_TARGET: Final = "target=... of Graphite's render API, such as target=sumSeries(a.*.errors)&from=-1min"


def form_fault(provider_type: MetricProviderType, text: str, namespace: str, address: str) -> str:
    """Return why a filled query can never be asked, in words; empty where it can, or only its server knows.

    `namespace` is the template's.
    """
    try:
        match provider_type:
            case "cloudwatch":
                read_metric_data_queries(text)
            case "keptn":
                return foreign_namespace("keptn", keptn_query.read_query(text).namespace, namespace, address)
            case "externalmetrics":
                wanted = external_metric_query.read_query(text)
                return foreign_namespace("externalmetrics", wanted.namespace, namespace, address)
            case "graphite":
                return _no_target(text)
            case _:
                pass
    except ValueError as error:
        return str(error)
    return ""


def foreign_namespace(provider_type: MetricProviderType, asked: str, own: str, address: str) -> str:
    """Return why objects of a namespace are not asked for; empty where they are.

    The API server is asked with the agent's own rights: for nothing that whoever writes the template may not see.
    """
    is_asked_as_agent = provider_type == "keptn" or not address
    if not is_asked_as_agent or asked == own:
        return ""
    where = "allowed" if provider_type == "keptn" else "allowed without an address"
    return f"the query asks for namespace {asked!r}; {where}: {own}, the template's own"


def read_metric_data_queries(text: str) -> list[Any]:
    """Read a query of CloudWatch.

    Raises:
        ValueError: it is no list in JSON.
    """
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"the query is no JSON ({place}); allowed: {_QUERIES}") from error
    if not isinstance(found, list):
        raise ValueError(f"the query is no list; allowed: {_QUERIES}")  # noqa: TRY004  what is read is a text
    return found


def _no_target(text: str) -> str:
    has_target = any(name.strip() == "target" and value.strip() for name, value in parse_qsl(text.strip()))
    return "" if has_target else f"the query has no target; allowed: {_TARGET}"
