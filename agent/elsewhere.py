"""What canaries name in namespaces that this agent does not watch: read one by one, where it may be read at all.

An agent of one namespace (`--namespace`) sees nothing else of the cluster. What it does not see is not missing.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from agent.resources import ALERT_PROVIDERS, METRIC_TEMPLATES, UPSTREAMS
from canary.api.canary import Canary
from kube.client import Client
from kube.errors import KubeError, NotFound
from kube.resource import Object, Resource

_log = logging.getLogger(__name__)

READ_AGAIN_S: Final = 30.0

# Whoever names an object looks at it each half minute: by then no canary does any more.
_FORGOTTEN_AFTER_S: Final = 600.0

NOT_READABLE: Final = "can't be read by this agent: it is limited to another namespace, and has no right to get it"

# Ticks wait for it: an API server that does not answer holds none of them up for longer.
_ANSWERED_WITHIN_S: Final = 2.0


class Reference(NamedTuple):
    """An object that a canary names."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Read:
    """What a read came to. `is_known` is False where it was refused or not answered, and nothing is known of before."""

    at_s: float
    obj: Object | None = None
    is_known: bool = False


class Elsewhere:
    """The objects outside of `namespace`, the one that is watched, as they were read last; empty: all are watched.

    Nothing is read unless `allows_across`.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        allows_across: bool = True,
    ) -> None:
        self._allows_across = allows_across
        self._client = client
        self._namespace = namespace
        self._clock = clock
        self._reads: dict[Reference, _Read] = {}
        self._lock = asyncio.Lock()

    def is_watched(self, namespace: str) -> bool:
        """Return whether objects of a namespace are in the caches."""
        return not self._namespace or namespace == self._namespace

    def get(self, reference: Reference) -> Object | None:
        """Return an object; None where it is not there, or not known."""
        read = self._reads.get(reference)
        return None if read is None else read.obj

    def has(self, reference: Reference) -> bool | None:
        """Return whether an object is there, None where that is not known."""
        read = self._reads.get(reference)
        return read.obj is not None if read is not None and read.is_known else None

    def read_again_after_s(self, canary: Canary) -> float | None:
        """Return when a canary must be looked at again though no watch tells of a change; None where watches do."""
        return READ_AGAIN_S if any(self._outside(canary)) else None

    async def refresh(self, canary: Canary) -> None:
        """Read what a canary names elsewhere, unless that was read within the last half minute."""
        for reference in self._outside(canary):
            async with self._lock:
                last = self._reads.get(reference)
                if last is None or self._clock() >= last.at_s + READ_AGAIN_S:
                    self._reads[reference] = await self._read(reference, last)
                if last is None:
                    self._forget_unused()

    def _forget_unused(self) -> None:
        old_s = self._clock() - _FORGOTTEN_AFTER_S
        self._reads = {reference: read for reference, read in self._reads.items() if read.at_s > old_s}

    async def _read(self, reference: Reference, last: _Read | None) -> _Read:
        resource, namespace, name = reference
        try:
            obj = await self._client.within(_ANSWERED_WITHIN_S).get(resource, name, namespace)
        except NotFound:
            return _Read(self._clock(), None, is_known=True)
        except KubeError as error:
            if last is None:
                _log.warning("%s %s/%s is not watched, and can't be read: %s", resource.kind, namespace, name, error)
                return _Read(self._clock())
            return _Read(self._clock(), last.obj, is_known=last.is_known)
        return _Read(self._clock(), obj, is_known=True)

    def _outside(self, canary: Canary) -> Iterator[Reference]:
        if not self._namespace or not self._allows_across:
            return
        for reference in _references(canary):
            if not self.is_watched(reference.namespace):
                yield reference


def _references(canary: Canary) -> Iterator[Reference]:
    """Name the objects of a canary that may be in other namespaces."""
    upstream, analysis = canary.spec.upstream_ref, canary.analysis
    if upstream is not None:
        yield Reference(UPSTREAMS, upstream.namespace or canary.namespace, upstream.name)
    for metric in analysis.metrics if analysis is not None else ():
        if metric.template_ref is not None:
            yield Reference(
                METRIC_TEMPLATES, metric.template_ref.namespace or canary.namespace, metric.template_ref.name
            )
    for alert in analysis.alerts if analysis is not None else ():
        yield Reference(ALERT_PROVIDERS, alert.provider_ref.namespace or canary.namespace, alert.provider_ref.name)
