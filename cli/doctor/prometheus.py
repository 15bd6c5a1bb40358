"""Queries to a Prometheus in the cluster, through the API server's proxy: whoever types reaches nothing else of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from canary.api.prometheus_answer import Element, NotAnAnswer, read_elements
from cli.doctor.finding import Unread
from kube.client import Client
from kube.errors import Forbidden, KubeError, NotFound
from kube.resource import SERVICES

_HOST: Final = re.compile(r"([a-z0-9-]+)\.([a-z0-9-]+)(\.svc(\.[a-z0-9.-]+)?)?\.?")
_FOLDERS: Final = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?")
"""Anything else could lead out of the proxy, to other paths of the API server, with the rights of who types."""

_ANSWERED_WITHIN_S: Final = 5.0
_MOST_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Failed:
    """The server was reached, or should have been, and gave no answer to a query."""

    why: str


Answer = list[Element] | Unread | Failed


async def ask(client: Client, address: str, promql: str) -> Answer:
    """Run an instant query. A value may be NaN or Inf, as from 0/0 and 1/0."""
    path = _path(address)
    if isinstance(path, Unread):
        return path
    try:
        answer = await client.within(_ANSWERED_WITHIN_S).read(path, {"query": promql})
    except Forbidden:
        return Unread(f"you may not get services/proxy in namespace {path.split('/')[4]}")
    except NotFound as error:
        what = "there is no such Service" if 'services "' in error.message else "HTTP 404, not an answer of Prometheus"
        return Failed(what)
    except KubeError as error:
        return Failed(_said(error.message))
    return _elements(answer)


def service_of(address: str) -> tuple[str, str]:
    """Return name and namespace of the Service that an address leads to, empty where it leads to none."""
    host = _HOST.fullmatch(urlsplit(address).hostname or "")
    return ("", "") if host is None else (host[1], host[2])


def _path(address: str) -> str | Unread:
    """Return the path of a query through the proxy: `/api/v1/namespaces/{}/services/{scheme:name:port}/proxy/...`."""
    url = urlsplit(address)
    host = _HOST.fullmatch(url.hostname or "")
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError:
        return Unread(f"{address} has no port that could be")
    if host is None or url.username is not None or not _FOLDERS.fullmatch(url.path):
        return Unread("it is no Service of this cluster, and can't be asked through the API server")
    service = f"{url.scheme}:{host[1]}:{port}"
    return SERVICES.path(host[2], service, f"proxy{url.path.rstrip('/')}/api/v1/query")


def _said(message: str) -> str:
    """Return what Prometheus says of a query, or what the API server says instead."""
    try:
        found = json.loads(message)
        text = str(found.get("error") or message)
    except (AttributeError, ValueError):
        text = message
    return " ".join(text.split())[:_MOST_CHARS]


def _elements(answer: Mapping[str, Any]) -> Answer:
    try:
        return read_elements(answer.get("data"))
    except NotAnAnswer as error:
        return Failed(str(error))
