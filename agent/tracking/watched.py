"""The two ways of config tracking that read nothing by themselves: all is watched, or nothing is tracked."""

from collections.abc import Callable, Collection, Iterable, Mapping

from canary.api.canary import Canary
from kube.cache import Cache
from kube.errors import KubeError
from kube.resource import Object
from kube.store import Change, Key
from render.config_refs import ConfigKind, ConfigRef


class _ReadsNothing:
    """What is the same where nothing is read one by one: nothing is unread, or to be read again."""

    async def refresh(self, canary: Canary, target: Object | None, primary: Object | None) -> None:
        """Do nothing: nothing is read."""

    def unread(self, _: Canary) -> Mapping[ConfigRef, KubeError]:
        return {}

    def readers(self, _namespace: str, _ref: ConfigRef) -> Collection[Key] | None:
        return None

    async def read(self, canary: Canary, refs: Collection[ConfigRef]) -> None:
        """Do nothing: nothing is read."""

    def read_again_after_s(self, _: Canary) -> float | None:
        return None

    def problems(self, _: Canary) -> tuple[str, ...]:
        return ()

    def forget_canary(self, key: Key) -> None:
        """Do nothing: what is kept belongs to no canary."""


class Watched(_ReadsNothing):
    """A `Tracking` of what a list and a watch of all ConfigMaps and Secrets show."""

    is_off = False

    def __init__(self, caches: Mapping[ConfigKind, Cache]) -> None:
        self._caches = caches

    def of(self, kind: ConfigKind) -> Cache:
        return self._caches[kind]


class Untracked(_ReadsNothing):
    """A `Tracking` of nothing, for agents without a right to ConfigMaps and Secrets."""

    is_off = True

    def of(self, _: ConfigKind) -> "Untracked":
        return self

    def get(self, _namespace: str, _name: str) -> Object | None:
        return None

    def by_namespace(self, _namespace: str) -> Iterable[Object]:
        return ()

    def remember(self, obj: Object) -> None:
        """Do nothing: nothing is kept."""

    def forget(self, obj: Object) -> None:
        """Do nothing: nothing is kept."""

    def subscribe(self, _: Callable[[Change], None]) -> Callable[[], None]:
        return lambda: None
