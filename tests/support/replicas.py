"""The webhook's replicas, each looked at by itself: the certificate that it serves, and what it has counted."""

import json
import re
from dataclasses import dataclass
from typing import Any

from cryptography import x509

from tests.support.applying import Kubectl
from tests.support.cluster import Cluster

_NAMESPACE = "gloo-system"
_LABELS = "app.kubernetes.io/name=serin-webhook"
_SHOW = "import ssl, sys; [print(ssl.get_server_certificate((host, 9443), timeout=30)) for host in sys.argv[1:]]"


@dataclass(frozen=True)
class Replicas:
    """Those that there are at each call."""

    cluster: Cluster

    def served(self) -> list[x509.Certificate]:
        """The certificate that each shows to a new connection."""
        return x509.load_pem_x509_certificates(self.cluster.run("python", "-c", _SHOW, *self.addresses()).encode())

    def asked(self, entry: str) -> list[int]:
        """How many reviews each has answered for an entry, such as `validate/scaling`."""
        series = rf'^serin_admission_requests_total{{.*entry="{re.escape(entry)}".*}} (\S+)$'
        return [int(sum(map(float, re.findall(series, text, re.MULTILINE)))) for text in self._metrics()]

    def left_s(self) -> list[float]:
        """What each says of how long its certificate is valid, in seconds."""
        series = r"^serin_certificate_expiry_seconds(?:{})? (\S+)$"
        return [float(found) for text in self._metrics() for found in re.findall(series, text, re.MULTILINE)]

    def names(self) -> list[str]:
        """Their pods' names."""
        return sorted(pod["metadata"]["name"] for pod in self._pods())

    def addresses(self) -> list[str]:
        """Their pods' addresses."""
        return [pod["status"]["podIP"] for pod in self._pods()]

    def readiness(self) -> list[bool]:
        """Whether each is given requests."""
        conditions = [pod["status"].get("conditions", []) for pod in self._pods()]
        return [any(one["type"] == "Ready" and one["status"] == "True" for one in those) for those in conditions]

    def _metrics(self) -> list[str]:
        """Each one's /metrics, by way of the API server."""
        path = f"/api/v1/namespaces/{_NAMESPACE}/pods/{{}}:8080/proxy/metrics"
        return [self._kubectl("get", "--raw", path.format(name)).output for name in self.names()]

    def _pods(self) -> list[dict[str, Any]]:
        """Those that run and are not about to end."""
        found = json.loads(self._kubectl("get", "pods", "-l", _LABELS, "-o", "json").output)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"] and pod["status"].get("podIP")]

    @property
    def _kubectl(self) -> Kubectl:
        return Kubectl(self.cluster, _NAMESPACE)
