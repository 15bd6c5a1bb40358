"""The webhook's settings, from its command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

CertificateSource: TypeAlias = Literal["stored", "self", "files"]
"""`stored`: of Serin's own authority (`webhook.authority`), in a Secret. `self`: the same, kept by this process, which
has to have the rights for it. `files`: mounted, as cert-manager writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The command line, read. Times are seconds.

    `namespace` limits the webhook to the canaries of one, empty is all. `certificate_dir` has the mounted
    files; `scratch_dir`, in memory, holds a key for the moment in which it is loaded. `drain_s` is how long requests
    are served after SIGTERM: until nobody sends new ones. `allows_across`: canaries may refer to other namespaces.
    `checks_request_rights`: a request (promote, abort, ...) takes the right to the verb of its name on canaries.
    """

    port: int = 9443
    metrics_port: int = 8080
    namespace: str = ""
    certificates: CertificateSource = "self"
    certificate_dir: Path = Path("/run/serin-webhook-tls")
    scratch_dir: Path = Path("/run/serin")
    service_namespace: str = "gloo-system"
    kubeconfig: Path | None = None
    drain_s: float = 5.0
    allows_across: bool = True
    checks_request_rights: bool = False

    @property
    def agent(self) -> str:
        """Return the user name of the agent, which runs beside us."""
        return f"system:serviceaccount:{self.service_namespace}:serin-agent"
