"""Objects that the agent keeps as rendered, by server-side apply."""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from agent.caches import Caches
from agent.settings import FIELD_MANAGER
from canary.run.revision import content_hash
from canary.run.wire import APPLIED_ANNOTATION
from kube.client import Client
from kube.errors import Lost, NotFound
from kube.resource import Object, Resource
from kube.store import Change
from render.difference import is_as_rendered

_Key = tuple[str, str, str]


class AppliedObjects:
    """Applies rendered bodies, and knows which need it.

    An object needs it when it is missing, when its rendering is not what was last applied (so that a field that went
    from the rendering goes from the object), or when it was changed since. But the API server may store a value in
    another spelling than ours (`0.1` for `100m`): an object that differs from its rendering is still as we want it when
    it is what the last apply of this same rendering left behind.
    """

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches
        self._left_behind: dict[_Key, tuple[str, str]] = {}
        self._followed: set[str] = set()

    def left_behind(self, resource: Resource, namespace: str, name: str) -> object:
        """Return what the last apply left behind: `is_due` says the same while this and what is written do."""
        return self._left_behind.get((resource.plural, namespace, name))

    def is_due(self, resource: Resource, rendered: Object) -> bool:
        """Return whether the object is missing, or not as rendered."""
        metadata = rendered["metadata"]
        live = self._caches.of(resource).get(metadata["namespace"], metadata["name"])
        if live is None:
            return True
        applied = content_hash(rendered)
        if (live["metadata"].get("annotations") or {}).get(APPLIED_ANNOTATION) != applied:
            return True
        if is_as_rendered(live, rendered):
            return False
        return self._left_behind.get(_key(resource, rendered)) != (applied, _own_content(live, rendered))

    async def apply(self, resource: Resource, rendered: Object) -> None:
        """Create the object, or make ours what is rendered of it, if nobody wrote it since it was seen.

        A request may reach the API server late, when another agent leads, and has applied what it renders by now.

        Raises:
            kube.errors.Conflict: somebody did; another look shows whether it is due still.
            kube.errors.Lost: what tells that it was applied is not in the answer: it would be applied without end.
        """
        self._follow(resource)
        applied, metadata = content_hash(rendered), rendered["metadata"]
        annotations = (metadata.get("annotations") or {}) | {APPLIED_ANNOTATION: applied}
        seen = _as_seen(self._caches.of(resource).get(metadata["namespace"], metadata["name"]))
        body = rendered | {"metadata": metadata | {"annotations": annotations} | seen}
        answer = await self._client.apply(resource, body, field_manager=FIELD_MANAGER)
        self._caches.of(resource).remember(answer)
        self._left_behind[_key(resource, rendered)] = (applied, _own_content(answer, rendered))
        if (answer["metadata"].get("annotations") or {}).get(APPLIED_ANNOTATION) != applied:
            text = f"metadata.annotations[{APPLIED_ANNOTATION}] was written, and somebody took it away"
            raise Lost(text, resource=resource, namespace=metadata["namespace"], name=metadata["name"])

    async def delete(self, resource: Resource, obj: Object) -> None:
        """Delete an object that was applied once, and that nothing is rendered for any more."""
        namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
        uid, version = obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
        with suppress(NotFound):
            await self._client.delete(resource, name, namespace, uid=uid, resource_version=version)
        self._caches.of(resource).forget(obj)

    def _follow(self, resource: Resource) -> None:
        """Forget what was applied of objects that are gone."""
        if resource.plural not in self._followed:
            self._followed.add(resource.plural)
            self._caches.of(resource).subscribe(partial(self._on_change, resource))

    def _on_change(self, resource: Resource, change: Change) -> None:
        if change.new is None:
            self._left_behind.pop((resource.plural, *change.key), None)


def _as_seen(live: Object | None) -> dict[str, str]:
    """Return what of an object's metadata refuses a write to it as it is by now; nothing for one that is to be made."""
    return {} if live is None else {name: live["metadata"][name] for name in ("uid", "resourceVersion")}


def _key(resource: Resource, obj: Object) -> _Key:
    return resource.plural, obj["metadata"]["namespace"], obj["metadata"]["name"]


def _own_content(obj: Mapping[str, Any], rendered: Object) -> str:
    """Hash what users and agents write of an object: neither its status nor the server's bookkeeping.

    Of its annotations those count that are rendered: others come and go with every controller that looks at it.
    """
    metadata, annotations = obj["metadata"], obj["metadata"].get("annotations") or {}
    written = {name: metadata.get(name) for name in ("labels", "ownerReferences")}
    ours = {key: annotations.get(key) for key in rendered["metadata"].get("annotations") or {}}
    return content_hash([written, ours, obj.get("spec")])
