"""The running translator: watches the cluster, and tells Envoy and the statuses what follows, as late as Gloo does."""

import asyncio
import logging

from sandbox.api import Api, ApiError, Mirror
from sandbox.gloo.ads import AdsServer
from sandbox.gloo.delays import IN_FORCE, SWITCH, Delays, delays_of, word_of
from sandbox.gloo.ignored import ignored_fields
from sandbox.gloo.snapshot import Collection
from sandbox.gloo.status_writer import GROUPS, StatusWriter
from sandbox.gloo.translate import ObjectKey, Translation, translate
from sandbox.gloo.view import ENDPOINT_SLICES, SERVICES, DelayedView

_log = logging.getLogger(__name__)

_PATHS = {kind: f"{group}/{kind}" for kind, group in GROUPS.items()} | {
    SERVICES: "/api/v1/services",
    ENDPOINT_SLICES: "/apis/discovery.k8s.io/v1/endpointslices",
}
_CONFIRM_AGAIN_S = 1.0
_PAUSE_S = 0.03  # changes of one moment are translated together


class Control:
    """Owns the mirrors, the view on them and the status writer; `namespace` is Gloo's own, where its switch lies."""

    def __init__(self, api: Api, ads: AdsServer, namespace: str) -> None:
        self._api = api
        self._ads = ads
        self._mirrors = {kind: Mirror(api, path) for kind, path in _PATHS.items()}
        self._configmaps_path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._switch = Mirror(api, self._configmaps_path, field_selector=f"metadata.name={SWITCH}")
        self._switch_key = (namespace, SWITCH)
        self._view = DelayedView()
        self._statuses = StatusWriter(api, self._collections, self._delays)
        self._translation: Translation | None = None
        self._wake = asyncio.Event()
        self._switched = asyncio.Event()
        self._touched: set[str] = set()  # kinds of objects that were not looked at since one of them changed
        self._told: set[str] = set()

    async def run(self) -> None:
        """Translate for ever; the first translation goes out as soon as everything has been listed."""
        mirrors = [*self._mirrors.values(), self._switch]
        async with asyncio.TaskGroup() as tasks:
            for mirror in mirrors:
                tasks.create_task(mirror.run(), name=f"mirror {mirror}")
            for mirror in mirrors:
                await mirror.wait_synced()
            for kind, mirror in [*self._mirrors.items(), ("", self._switch)]:
                tasks.create_task(self._wake_up(kind, mirror), name=f"wake {mirror}")
            tasks.create_task(self._confirm_switches(), name="confirm switches")
            tasks.create_task(self._statuses.run(), name="statuses")
            self._view.take_all(self._collections())
            # A Gloo that has just started knows no Proxy's status yet: it empties all entries, and fills them again.
            await self._translate({(kind, key) for kind, objects in self._collections().items() for key in objects})
            _log.info("translating for Envoy")
            await self._follow()

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            delays = self._delays()
            self._view.observe(self._touched_collections(), loop.time(), delays)
            if not delays.is_stopped and (changed := self._view.release(loop.time())):
                await self._translate(changed)
                await asyncio.sleep(_PAUSE_S)
                continue
            due_s = None if delays.is_stopped else self._view.next_due_s()
            try:
                async with asyncio.timeout_at(due_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _translate(self, changed: set[ObjectKey]) -> None:
        snapshot = self._view.snapshot()
        before, translation = self._translation, translate(snapshot, self._translation)
        self._translation = translation
        for text in sorted(ignored_fields(self._view.snapshot_of(changed)) - self._told):
            _log.warning("%s", text)
            self._told.add(text)
        # Gloo empties the proxy's entries when it has written another Proxy: not for a table that nothing delegates to.
        is_proxy_rewritten = before is None or before.route_config != translation.route_config
        rewritten_for = {key for key in changed if key[0] in GROUPS} if is_proxy_rewritten else set()
        self._statuses.want(translation.statuses, rewritten_for)
        await self._ads.publish(translation)

    def _collections(self) -> dict[str, Collection]:
        return {kind: mirror.objects for kind, mirror in self._mirrors.items()}

    def _touched_collections(self) -> dict[str, Collection]:
        """Return the collections that have changed since the last call, those too that nobody was woken for yet."""
        touched = self._touched | {kind for kind, mirror in self._mirrors.items() if mirror.changed.is_set()}
        self._touched = set()
        return {kind: self._mirrors[kind].objects for kind in self._mirrors if kind in touched}

    def _delays(self) -> Delays:
        return delays_of(self._switch.objects.get(self._switch_key))

    async def _wake_up(self, kind: str, mirror: Mirror) -> None:
        while True:
            await mirror.changed.wait()
            mirror.changed.clear()
            if mirror is self._switch:
                self._switched.set()
            else:
                self._touched.add(kind)
            self._wake.set()

    async def _confirm_switches(self) -> None:
        """Write on the switch which delays are in force by now, for whoever waits for them; for ever."""
        while True:
            await self._switched.wait()
            self._switched.clear()
            switch = self._switch.objects.get(self._switch_key)
            if switch is None or (switch["metadata"].get("annotations") or {}).get(IN_FORCE) == word_of(switch):
                continue
            annotated = {"metadata": {"annotations": {IN_FORCE: word_of(switch)}}}
            try:
                await self._api.merge_patch(f"{self._configmaps_path}/{SWITCH}", annotated)
            except ApiError as error:
                _log.warning("%s: not annotated: %s", SWITCH, error)
                await asyncio.sleep(_CONFIRM_AGAIN_S)
                self._switched.set()
