"""The primary's copies of what it is configured by: written by a promotion, and kept while the primary uses them.

The content is read when it is copied, and must hash to what was analysed.
"""

from agent.caches import Caches
from agent.configs import ConfigLost, Contents, cached_config, canary_status, is_of, is_untracked, tracked_configs
from agent.copy_names import copied_contents, promoted_copies
from agent.copy_upkeep import find_upkeep
from agent.settings import FIELD_MANAGER
from agent.tracking.port import CONFIGS
from canary.api.canary import Canary
from kube.client import Client
from kube.errors import AlreadyExists, Conflict, NotFound
from kube.resource import Object
from render.config_refs import ConfigRef, trackable_refs
from render.copies import config_copy, copy_names, copy_owners, copy_patch, disowned_patch, is_copy, owned_patch
from render.json_patch import Operation


class ConfigCopies:
    """Makes the copies of a revision, and keeps them. All that is copied is read and compared first, then written."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    async def promote(self, canary: Canary, target: Object, template: Object, revision: str) -> dict[ConfigRef, str]:
        """Copy the configuration of a revision with this template; return the names of the copies.

        A copy changes here and nowhere else, so that a primary's pod that restarts finds what it was promoted with.

        Raises:
            ConfigLost: what was analysed can't be had any more, or what pods can't start without does not exist.
            agent.copy_names.CopyNotOurs: somebody else's objects have every name that a copy could have.
            kube.errors.KubeError: a read or a write failed; a Conflict asks for another look.
        """
        await self._read_all(canary, target, template, revision)
        wanted = self._contents(canary, target, template, revision)
        names = promoted_copies(canary, target, template, wanted, self._caches)
        read = [
            (names[ref], await self._read(canary, ref, content))
            for ref, content in wanted.items()
            if self._is_due(canary, ConfigRef(ref.kind, names[ref]), content)
        ]
        for name, config in read:
            await self._write(canary, name, config)
        return names

    async def keep(self, canary: Canary, target: Object) -> None:
        """Make again what is missing of the copies that the primary uses, own them, and let go of the others.

        Raises:
            ConfigLost: the content that the primary was promoted with is nowhere any more.
            kube.errors.KubeError: a read or a write failed; a Conflict asks for another look.
        """
        upkeep = find_upkeep(canary, target, self._caches)
        read = {copy: await self._read(canary, *source) for copy, source in upkeep.missing.items()}
        for copy, config in read.items():
            await self._write(canary, copy.name, config)
        for copy in upkeep.unowned:
            existing = await self._client.get(CONFIGS[copy.kind], copy.name, canary.namespace)
            await self._patch(existing, owned_patch(canary, existing))
        for copy in upkeep.left_over:
            await self._let_go(canary, copy)
        if upkeep.lost:
            raise ConfigLost(upkeep.lost)

    async def _read_all(self, canary: Canary, target: Object, template: Object, revision: str) -> None:
        """Read all that a promotion of a template may copy, and all that its copies may be called."""
        refs = trackable_refs(template["spec"])
        copies = (ConfigRef(ref.kind, name) for ref in refs for name in copy_names(canary.name, ref))
        was_present = is_of(revision, tracked_configs(canary, target, template, self._caches))
        await self._caches.tracking.read(canary, {*refs, *copies})
        if was_present and not is_of(revision, tracked_configs(canary, target, template, self._caches)):
            raise Conflict("what its target is configured by changed", namespace=canary.namespace, name=canary.name)

    def _contents(self, canary: Canary, target: Object, template: Object, revision: str) -> Contents:
        """Find the contents that belong to the revision: they are the present ones or, a run later, the copies'."""
        live = tracked_configs(canary, target, template, self._caches)
        if is_of(revision, live):
            self._refuse_missing(canary, target, template, live)
            return live
        copied = [copied_contents(canary, template, self._caches, is_in_use_first=first) for first in (True, False)]
        for contents in copied:
            if is_of(revision, contents):
                return contents
        # The last resort is for a primary that has to go back: its copies may be of the run that failed to be promoted,
        # but never hold what nobody analysed.
        is_return = canary_status(canary, self._caches).get("lastPromotedSpec") == revision
        if is_return and copied[0]:
            return copied[0]
        found = ", ".join(sorted(map(str, live))) or "nothing"
        raise ConfigLost(
            f"{target['kind']} {canary.namespace}/{canary.spec.target_ref.name}: found {found} with another content "
            f"than revision {revision} was analysed with; allowed: that content, or a run of the present one"
        )

    def _refuse_missing(self, canary: Canary, target: Object, template: Object, live: Contents) -> None:
        """Refuse to make a primary whose pods can't start."""
        if is_untracked(target, self._caches):
            return
        for ref, is_required in trackable_refs(template["spec"]).items():
            if is_required and ref not in live and cached_config(canary, ref, self._caches) is None:
                raise ConfigLost(
                    f"{target['kind']} {canary.namespace}/{canary.spec.target_ref.name} spec.template.spec: "
                    f"found a reference to {ref}; allowed: the name of a {ref.kind} in the namespace, and there is none"
                )

    def _is_due(self, canary: Canary, copy: ConfigRef, content: str) -> bool:
        held = cached_config(canary, copy, self._caches)
        return held is None or held["content"] != content or not is_copy(held)

    async def _read(self, canary: Canary, ref: ConfigRef, content: str) -> Object:
        """Read something with this content: the original or, where that has moved on, a copy of it."""
        source = ref if self._holds(canary, ref, content) else self._copy_with(canary, ref, content) or ref
        resource = CONFIGS[ref.kind]
        try:
            config = await self._client.get(resource, source.name, canary.namespace)
        except NotFound as error:
            raise ConfigLost(
                f"{error}; allowed: the {ref.kind} that was analysed, so that it can be promoted"
            ) from error
        if self._caches.fingerprints.of(config) != content:
            self._caches.tracking.of(ref.kind).remember(config)
            text = "its content is not the analysed one (any more)"
            raise Conflict(text, resource=resource, namespace=canary.namespace, name=source.name)
        return config

    def _copy_with(self, canary: Canary, ref: ConfigRef, content: str) -> ConfigRef | None:
        copies = (ConfigRef(ref.kind, name) for name in copy_names(canary.name, ref))
        return next((copy for copy in copies if self._holds(canary, copy, content)), None)

    def _holds(self, canary: Canary, ref: ConfigRef, content: str) -> bool:
        config = cached_config(canary, ref, self._caches)
        return config is not None and config["content"] == content

    async def _write(self, canary: Canary, name: str, config: Object) -> None:
        resource, rendered = CONFIGS[config["kind"]], config_copy(canary, config, name, self._caches.labels)
        cache = self._caches.tracking.of(config["kind"])
        if cache.get(canary.namespace, name) is None:
            try:
                cache.remember(await self._client.create(resource, rendered))
            except AlreadyExists as error:
                text = "it was made meanwhile, and may be another primary's"
                raise Conflict(text, resource=resource, namespace=canary.namespace, name=name) from error
            return
        existing = await self._client.get(resource, name, canary.namespace)
        if set(copy_owners(existing)) != {canary.name}:
            text = "it is not this canary's copy alone (any more)"
            raise Conflict(text, resource=resource, namespace=canary.namespace, name=name)
        await self._patch(existing, copy_patch(canary, existing, rendered, self._caches.labels))

    async def _let_go(self, canary: Canary, copy: ConfigRef) -> None:
        """Delete a copy that nobody uses; one that others own is left to them."""
        resource = CONFIGS[copy.kind]
        cache = self._caches.tracking.of(copy.kind)
        held = cache.get(canary.namespace, copy.name)
        if held is None:
            return
        try:
            existing = await self._client.get(resource, copy.name, canary.namespace)
            if set(copy_owners(existing)) != {canary.name}:
                await self._patch(existing, disowned_patch(canary, existing))
                return
            uid, version = existing["metadata"]["uid"], existing["metadata"]["resourceVersion"]
            await self._client.delete(resource, copy.name, canary.namespace, uid=uid, resource_version=version)
        except NotFound:
            pass  # somebody else was faster
        cache.forget(held)

    async def _patch(self, existing: Object, operations: list[Operation]) -> None:
        resource, metadata = CONFIGS[existing["kind"]], existing["metadata"]
        answer = await self._client.json_patch(
            resource, metadata["name"], metadata["namespace"], operations, field_manager=FIELD_MANAGER
        )
        self._caches.tracking.of(existing["kind"]).remember(answer)
