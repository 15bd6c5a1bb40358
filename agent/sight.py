"""What the caches show of one canary's own objects, each looked up once: a tick asks for most of them many times."""

from functools import cached_property
from typing import TYPE_CHECKING

from agent.concerns import SCALERS
from agent.memo import Memo
from agent.resources import CANARIES, ROUTE_TABLES, UPSTREAMS
from canary.api.canary import Canary
from canary.api.names import Names, Side
from kube.resource import SERVICES, Object
from kube.store import Key

if TYPE_CHECKING:
    from agent.caches import Caches


class Sight:
    """The objects of a canary, as long as no cache changes: see `Caches.sight`.

    `written_` ones are what is written of them, see `Memo.written`.
    """

    def __init__(self, caches: "Caches", canary: Canary, memo: Memo) -> None:
        self._caches = caches
        self.canary = canary
        self.memo = memo
        self.names = Names.of(canary)
        self.namespace = self.names.namespace

    @cached_property
    def stored(self) -> Object | None:
        """Return the Canary itself."""
        return self._caches.of(CANARIES).get(self.namespace, self.canary.name)

    @cached_property
    def target(self) -> Object | None:
        """Return the target workload; None when there is none, it is being deleted, or its kind can't be one."""
        return self._caches.workload(self.canary.target_kind, self.namespace, self.names.target)

    @cached_property
    def primary(self) -> Object | None:
        """Return the generated primary workload, None when there is none."""
        return self._caches.workload(self.canary.target_kind, self.namespace, self.names.primary_workload)

    @cached_property
    def written_target(self) -> Object | None:
        return self.memo.written(self.target)

    @cached_property
    def written_primary(self) -> Object | None:
        return self.memo.written(self.primary)

    @cached_property
    def services(self) -> tuple[Object | None, ...]:
        """Return the Services, in the order of `Names.services`."""
        services = self._caches.of(SERVICES)
        return tuple(services.get(self.namespace, name) for name in self.names.services)

    @cached_property
    def written_services(self) -> tuple[Object | None, ...]:
        return tuple(map(self.memo.written, self.services))

    @cached_property
    def upstreams(self) -> tuple[Object | None, ...]:
        """Return the Upstreams of the present port, in the order of `Side`."""
        upstreams = self._caches.of(UPSTREAMS)
        return tuple(upstreams.get(self.namespace, self.names.upstream(side)) for side in Side)

    @cached_property
    def written_upstreams(self) -> tuple[Object | None, ...]:
        return tuple(map(self.memo.written, self.upstreams))

    @cached_property
    def table_key(self) -> Key:
        """Return the key of the RouteTable."""
        return Key(self.namespace, self.names.route_table)

    @cached_property
    def table(self) -> Object | None:
        """Return the RouteTable."""
        return self._caches.of(ROUTE_TABLES).get(*self.table_key)

    @cached_property
    def written_table(self) -> Object | None:
        return self.memo.written(self.table)

    @cached_property
    def scaler(self) -> Object | None:
        """Return the target's own HPA or ScaledObject, None when the canary names none or it does not exist."""
        reference = self.canary.spec.autoscaler_ref
        if reference is None or reference.kind not in SCALERS:
            return None
        return self._caches.of(SCALERS[reference.kind]).get(self.namespace, reference.name)
