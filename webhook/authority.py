"""`python -m webhook.authority`: keeps the webhook's certificates, apart from the webhook.

The webhook reads what anybody may send. So it is another service account that may write the authority's Secret and the
two webhook configurations: whoever takes the webhook over can't have it asked about Secrets, with their content.
"""

import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from kube.client import Client
from kube.errors import KubeError
from service.endpoint import serve_health
from service.lifetime import stop_on_signals, wait_until_stopped
from service.log import configure_logging
from service.version import serin_version
from webhook.certificates.self_signed import OwnAuthority
from webhook.settings import Settings

_DEFAULTS = Settings()


async def run(settings: Settings) -> None:
    """Keep the Secret and both configurations until SIGTERM or SIGINT.

    Raises:
        kube.errors.ConfigError: no way to the API server is known.
    """
    stopped = stop_on_signals()

    async def render_nothing(_: list[str]) -> tuple[bytes, dict[str, str]]:
        return b"", {}

    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client.connect(kubeconfig=settings.kubeconfig, user_agent=f"serin-webhook/{serin_version()}")
        )
        authority = await stack.enter_async_context(
            OwnAuthority(client, settings.scratch_dir, namespace=settings.service_namespace)
        )
        await stack.enter_async_context(serve_health(settings.metrics_port, render_nothing, authority.problem))
        await wait_until_stopped(stopped)


def main(
    port: Annotated[int, typer.Option(help="Port of /healthz and /readyz, plain HTTP.")] = _DEFAULTS.metrics_port,
    scratch_dir: Annotated[Path, typer.Option(help="A writable folder in memory.")] = _DEFAULTS.scratch_dir,
    service_namespace: Annotated[str, typer.Option(help="The namespace of Serin.")] = _DEFAULTS.service_namespace,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    kubeconfig: Annotated[Path | None, typer.Option(help="Outside a cluster.")] = None,
) -> None:
    """Keep the certificates of the webhook."""
    try:
        configure_logging(log_level)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = Settings(
        metrics_port=port, scratch_dir=scratch_dir, service_namespace=service_namespace, kubeconfig=kubeconfig
    )
    try:
        uvloop.run(run(settings))
    except KubeError as error:
        sys.exit(f"serin webhook authority: {error}")


if __name__ == "__main__":
    typer.run(main)
