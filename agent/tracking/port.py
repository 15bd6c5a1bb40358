"""What the rest of the agent asks of config tracking, whichever way it is done."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Protocol

from canary.api.canary import Canary
from kube.errors import KubeError
from kube.resource import CONFIGMAPS, SECRETS, Object, Resource
from kube.store import Change, Key
from render.config_refs import ConfigKind, ConfigRef

CONFIGS: Final[dict[ConfigKind, Resource]] = {"ConfigMap": CONFIGMAPS, "Secret": SECRETS}


class Configs(Protocol):
    """What is kept of ConfigMaps, or of Secrets: see `render.configs.summary`. A `kube.cache.Cache` is one."""

    def get(self, namespace: str, name: str) -> Object | None:
        """Return what is kept of one; None where there is none."""

    def by_namespace(self, namespace: str) -> Iterable[Object]:
        """Return what is kept of those of a namespace: maybe of some of them only."""

    def remember(self, obj: Object) -> None:
        """Keep one as it was just written or read."""

    def forget(self, obj: Object) -> None:
        """Drop what our own write deleted."""

    def subscribe(self, listener: Callable[[Change], None]) -> Callable[[], None]:
        """Call `listener` after each change; return the function that ends the subscription."""


class Tracking(Protocol):
    """The ConfigMaps and Secrets that canaries' targets and primaries refer to."""

    @property
    def is_off(self) -> bool:
        """Return whether nothing is tracked: both sides use what the target refers to."""

    def of(self, kind: ConfigKind) -> Configs:
        """Return what is kept of a kind."""

    async def refresh(self, canary: Canary, target: Object | None, primary: Object | None) -> None:
        """Bring up to date what is kept for a canary, if that is due. What can't be read now stays as it was."""

    def unread(self, canary: Canary) -> Mapping[ConfigRef, KubeError]:
        """Return of what nothing is known yet, and why: it was never read, and is not known to be missing."""

    def readers(self, namespace: str, ref: ConfigRef) -> Collection[Key] | None:
        """Return the canaries that it was read for; None where a watch tells of all, whoever uses it."""

    async def read(self, canary: Canary, refs: Collection[ConfigRef]) -> None:
        """Bring up to date what is kept of these. Raise a KubeError for one that can't be read."""

    def read_again_after_s(self, canary: Canary) -> float | None:
        """Return when `refresh` is due again; None where a watch tells, or nothing is tracked."""

    def problems(self, canary: Canary) -> tuple[str, ...]:
        """Return what users should know of: it holds nothing up."""

    def forget_canary(self, key: Key) -> None:
        """Drop what was kept for a canary that is gone."""
