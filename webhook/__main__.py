"""`python -m webhook`: the webhook's command line."""

import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from kube.errors import KubeError
from service.log import configure_logging
from webhook.main import run
from webhook.settings import CertificateSource, Settings

_DEFAULTS = Settings()


def main(
    port: Annotated[int, typer.Option(help="Port of admission, over TLS.")] = _DEFAULTS.port,
    metrics_port: Annotated[
        int, typer.Option(help="Port of /metrics, /healthz and /readyz, plain HTTP.")
    ] = _DEFAULTS.metrics_port,
    *,
    namespace: Annotated[str, typer.Option(help="Know the canaries of this namespace only; empty is all.")] = "",
    certificates: Annotated[
        CertificateSource,
        typer.Option(help="stored: of Serin's own authority. self: this process is it. files: mounted."),
    ] = _DEFAULTS.certificates,
    certificate_dir: Annotated[
        Path, typer.Option(help="Where tls.crt and tls.key are mounted.")
    ] = _DEFAULTS.certificate_dir,
    scratch_dir: Annotated[Path, typer.Option(help="A writable folder in memory.")] = _DEFAULTS.scratch_dir,
    service_namespace: Annotated[
        str, typer.Option(help="The namespace of Serin, its agent too.")
    ] = _DEFAULTS.service_namespace,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    kubeconfig: Annotated[Path | None, typer.Option(help="Outside a cluster.")] = None,
    drain_seconds: Annotated[
        float, typer.Option(min=0.0, help="Serve on for so long after SIGTERM.")
    ] = _DEFAULTS.drain_s,
    no_cross_namespace_refs: Annotated[
        bool, typer.Option("--no-cross-namespace-refs", help="Canaries refer to their own namespace only.")
    ] = False,
    check_request_rights: Annotated[
        bool, typer.Option(help="Let only those ask for promote, abort, ... who have that verb on canaries.")
    ] = _DEFAULTS.checks_request_rights,
) -> None:
    """Answer the API server's admission reviews."""
    try:
        configure_logging(log_level)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings(
        port=port,
        metrics_port=metrics_port,
        namespace=namespace,
        certificates=certificates,
        certificate_dir=certificate_dir,
        scratch_dir=scratch_dir,
        service_namespace=service_namespace,
        kubeconfig=kubeconfig,
        drain_s=drain_seconds,
        allows_across=not no_cross_namespace_refs,
        checks_request_rights=check_request_rights,
    )
    try:
        uvloop.run(run(settings))
    except KubeError as error:
        sys.exit(f"serin webhook: {error}")


if __name__ == "__main__":
    typer.run(main)
