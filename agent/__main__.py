"""`python -m agent`: the agent's command line. The flags that Flagger has too are named as there."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from agent.log import configure_logging
from agent.main import LeadershipLost, run
from agent.settings import Settings
from kube.errors import KubeError


def main(
    metrics_server: Annotated[str, typer.Option(help="Prometheus of the builtin checks.")] = "http://prometheus:9090",
    namespace: Annotated[str, typer.Option(help="Watch this namespace only; empty is all.")] = "",
    port: Annotated[int, typer.Option(help="Port of /metrics, /healthz and /readyz.")] = 8080,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    kubeconfig: Annotated[Path | None, typer.Option(help="Outside a cluster.")] = None,
    *,
    enable_leader_election: Annotated[bool, typer.Option(help="Only the holder of the lease writes.")] = True,
    leader_election_namespace: Annotated[str, typer.Option(help="Namespace of the lease.")] = "gloo-system",
) -> None:
    """Run the analysis loops of all canaries."""
    try:
        configure_logging(log_level)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings(
        metrics_server=metrics_server,
        namespace=namespace,
        port=port,
        log_level=log_level,
        kubeconfig=kubeconfig,
        is_leader_election_on=enable_leader_election,
        leader_election_namespace=leader_election_namespace,
    )
    try:
        uvloop.run(run(settings))
    except (KubeError, LeadershipLost) as error:
        sys.exit(f"serin agent: {error}")


if __name__ == "__main__":
    typer.run(main)
