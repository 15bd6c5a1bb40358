"""Putting the webhook together: every lifetime is a context manager, started in order and ended in reverse."""

import asyncio
import logging
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Final

from kube.client import Client
from service.lifetime import running, stop_on_signals, wait_until_stopped
from service.version import serin_version
from webhook.caches import Caches
from webhook.certificates.files import MountedCertificate
from webhook.certificates.port import ServingCertificate
from webhook.certificates.self_signed import OwnAuthority
from webhook.certificates.stored import StoredCertificate
from webhook.context import Handler
from webhook.marking import mark_workload
from webhook.metrics import WebhookMetrics
from webhook.mutating import mutate_canary
from webhook.rights import ENTRY, RequestRights
from webhook.scaling import warn_of_scaling
from webhook.server import Admission, serve_admission, serve_health
from webhook.settings import Settings
from webhook.validating import validate_alert_provider, validate_canary, validate_metric_template

_log = logging.getLogger(__name__)

ENTRIES: Final[Mapping[str, Handler]] = {
    "/mutate/workloads": mark_workload,
    "/mutate/canaries": mutate_canary,
    "/validate/scaling": warn_of_scaling,
    "/validate/canaries": validate_canary,
    "/validate/metrictemplates": validate_metric_template,
    "/validate/alertproviders": validate_alert_provider,
}
"""Path to handler, as the two configurations in manifests/webhook name them."""


async def run(settings: Settings) -> None:
    """Run the webhook until SIGTERM or SIGINT, then drain it.

    Raises:
        kube.errors.ConfigError: no way to the API server is known.
    """
    stopped = stop_on_signals()
    installed = serin_version()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            Client.connect(kubeconfig=settings.kubeconfig, user_agent=f"serin-webhook/{installed}")
        )
        certificate = await stack.enter_async_context(_certificate(settings, client))
        caches = Caches(client, settings.namespace)
        following = await stack.enter_async_context(running(caches.run(), "caches"))
        metrics = WebhookMetrics(installed, lambda: _left_s(certificate))
        awaited = {ENTRY: RequestRights(client).judge} if settings.checks_request_rights else {}
        context = caches.context(settings.agent, allows_across=settings.allows_across)
        admission = Admission(ENTRIES, context, metrics, awaited)
        # The plain port outlives the other: a drain must be seen to its end.
        await stack.enter_async_context(
            serve_health(admission, metrics, settings.metrics_port, lambda: unready(certificate, caches))
        )
        await stack.enter_async_context(serve_admission(admission, settings.port, certificate.context))
        await wait_until_stopped(stopped, following)
        _log.info("stopping: no longer ready, serving for another %g s", settings.drain_s)
        admission.drain()
        await asyncio.sleep(settings.drain_s)


def unready(certificate: ServingCertificate, caches: Caches) -> str:
    """Return why reviews can't be answered (the certificate would be refused, a list is missing), "" when they can."""
    return certificate.problem() or caches.cold()


def _certificate(settings: Settings, client: Client) -> AbstractAsyncContextManager[ServingCertificate]:
    match settings.certificates:
        case "files":
            return MountedCertificate(settings.certificate_dir, settings.scratch_dir)
        case "stored":
            return StoredCertificate(client, settings.scratch_dir, namespace=settings.service_namespace)
        case "self":
            return OwnAuthority(client, settings.scratch_dir, namespace=settings.service_namespace)


def _left_s(certificate: ServingCertificate) -> float:
    expires_at_s = certificate.expires_at_s()
    return expires_at_s - time.time() if expires_at_s else 0.0
