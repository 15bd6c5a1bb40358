"""Which cluster and which namespace are meant."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which cluster is meant and which namespace, as they were typed; empty where nothing was."""

    kubeconfig: Path | None = None
    context: str = ""
    namespace: str = ""
    all_namespaces: bool = False

    def as_arguments(self) -> str:
        """Return what has to be typed again to mean the same cluster."""
        parts = [f" --kubeconfig {self.kubeconfig}"] if self.kubeconfig else []
        return "".join([*parts, f" --context {self.context}" if self.context else ""])
