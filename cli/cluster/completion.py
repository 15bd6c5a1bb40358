"""What TAB offers: names from the cluster, or nothing at all when it can't be asked in a moment."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from cli.cluster.access import Access, open_access
from cli.cluster.failures import Failed
from cli.cluster.resources import CANARIES
from cli.cluster.selection import ClusterOptions
from kube.errors import KubeError
from kube.kubeconfig import kubeconfig_paths, read_contexts
from kube.resource import NAMESPACES, Objects

_PATIENCE_S: Final = 2.0


def canary_names(options: ClusterOptions, begin: str) -> list[str]:
    """Return the names of canaries that begin so."""
    return _names(options, begin, lambda access: access.client.list(CANARIES, access.namespace))


def namespaces(options: ClusterOptions, begin: str) -> list[str]:
    """Return the namespaces that begin so."""
    return _names(options, begin, lambda access: access.client.list(NAMESPACES))


def contexts(options: ClusterOptions, begin: str) -> list[str]:
    """Return the contexts of the kubeconfig that begin so."""
    try:
        known = read_contexts(kubeconfig_paths(options.kubeconfig)).namespaces
    except KubeError:
        return []
    return sorted(name for name in known if name.startswith(begin))


def _names(options: ClusterOptions, begin: str, list_: Callable[[Access], Awaitable[Objects]]) -> list[str]:
    logging.disable()  # whoever types has no use for it

    async def ask() -> list[str]:
        async with asyncio.timeout(_PATIENCE_S), open_access(options) as access:
            return [obj["metadata"]["name"] for obj in await list_(access)]

    try:
        return sorted(name for name in asyncio.run(ask()) if name.startswith(begin))
    except (KubeError, Failed, TimeoutError):
        return []
