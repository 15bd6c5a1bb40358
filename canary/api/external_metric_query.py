"""The query of a MetricTemplate of the type externalmetrics, in Flagger's form: which metric is asked for."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, quote

_API: Final = "/apis/external.metrics.k8s.io/v1beta1"
_FORM: Final = "NAMESPACE/METRIC?labelSelector=SELECTOR, the selector as in a URL"
_NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric of a namespace, and which of its series."""

    namespace: str
    metric: str
    selector: str

    @property
    def path(self) -> str:
        """Return where it is served."""
        return f"{_API}/namespaces/{self.namespace}/{quote(self.metric, safe='@:')}"

    @property
    def params(self) -> dict[str, str]:
        """Return the query of its URL."""
        return {"labelSelector": self.selector} if self.selector else {}


def read_query(text: str) -> Wanted:
    """Read `NAMESPACE/METRIC?labelSelector=SELECTOR`. Without a namespace it is `default`, as for Flagger.

    Raises:
        ValueError: it is something else.
    """
    path, _, query = text.strip().partition("?")
    namespace, slash, metric = path.rpartition("/")
    if not slash:
        metric = path
    selectors = parse_qs(query).get("labelSelector", [""])
    if "/" in namespace or not metric or not metric.isprintable() or metric in {".", ".."} or len(selectors) > 1:
        raise ValueError(f"the query is no name of a metric; allowed: {_FORM}")
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise ValueError(f"the query asks for namespace {namespace!r}; allowed: {_FORM}")
    return Wanted(namespace or _DEFAULT, metric, selectors[0])
