"""Config tracking: what a target is configured by, as the caches show it, and the copies that a promotion makes of it.

The caches keep hashes, no content. It is read when a promotion copies it, and must hash to what was analysed.
"""

from collections.abc import Mapping

from agent.caches import CONFIGS, Caches
from agent.resources import CANARIES
from agent.revision_templates import TemplateLost
from agent.settings import FIELD_MANAGER
from canary.api.canary import Canary
from canary.run.phase import ANALYSING
from canary.run.revision import config_part, revision_of, template_part, with_configs
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.client import Client
from kube.errors import Conflict, NotFound
from kube.resource import Object
from render.config_refs import ConfigRef, config_refs
from render.configs import config_copy, content_of, copy_patch, is_copy, is_tracking_disabled
from render.scale import is_configured_by

Contents = dict[ConfigRef, str]
"""Content hashes."""


class ConfigLost(TemplateLost):
    """The configuration of an analysed revision is nowhere any more: it was changed or deleted since."""


class CopyNotOurs(TemplateLost):
    """What stands under the name of a copy belongs to somebody else."""


def tracked_configs(canary: Canary, target: Object, template: Object, caches: Caches) -> Contents:
    """Return what a pod template is configured by, as it is now.

    One that is missing is no change: it counts with the hash that the canary's status has for it, as long as the
    template is the one that this was stored for; a read may fail, and `kubectl replace --force` deletes for a moment.
    """
    if is_tracking_disabled(target):
        return {}
    known = _stored(canary, template, caches)
    found: Contents = {}
    for ref in config_refs(template["spec"]):
        config = _cached(canary, ref, caches)
        content = known.get(str(ref), "") if config is None else config["content"]
        if content:
            found[ref] = content
    return found


def target_revision(canary: Canary, target: Object, caches: Caches) -> tuple[str, dict[str, str]]:
    """Return the target's revision, and the content hashes in it as `status.trackedConfigs` spells them."""
    template = target["spec"]["template"]
    configs = _names_of(tracked_configs(canary, target, template, caches))
    return with_configs(revision_of(template), configs), configs


def is_started_otherwise(canary: Canary, target: Object, caches: Caches) -> bool:
    """Return whether pods of the revision under analysis run that were started with another configuration.

    They do after an edit in mid-run. Pods of other revisions are left alone, for they may serve users: those of a
    revision that no run is about yet, and of one that is being promoted. What pods started with that came up under
    Flagger is unknown.
    """
    status = _status(canary, caches)
    revision, _ = target_revision(canary, target, caches)
    is_analysed = status.get("phase") in ANALYSING and status.get("lastAppliedSpec") == revision
    return is_analysed and not is_configured_by(target, config_part(revision))


def config_copies(canary: Canary, target: Object, template: Object, caches: Caches) -> dict[ConfigRef, str]:
    """Return the name of each reference's copy, for a promotion of the target as it is now."""
    return _copies(canary, target, template, tracked_configs(canary, target, template, caches), caches)


def are_copied(canary: Canary, target: Object, template: Object, caches: Caches) -> bool:
    """Return whether the copies hold what the target is configured by now."""
    tracked = tracked_configs(canary, target, template, caches)
    return all(
        (copy := _cached(canary, ConfigRef(ref.kind, ref.copy_name), caches)) is not None and copy["content"] == content
        for ref, content in tracked.items()
    )


class ConfigCopies:
    """Makes the copies of a revision: all that is copied is read and compared first, then written."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    async def promote(self, canary: Canary, target: Object, template: Object, revision: str) -> dict[ConfigRef, str]:
        """Copy the configuration of a revision with this template; return the names of the copies.

        A copy changes here and nowhere else, so that a primary's pod that restarts finds what it was promoted with.

        Raises:
            ConfigLost: what was analysed can't be had any more, or what pods can't start without does not exist.
            CopyNotOurs: somebody else's object has a copy's name.
            kube.errors.KubeError: a read or a write failed; a Conflict asks for another look.
        """
        wanted = self._contents(canary, target, template, revision)
        copies = _copies(canary, target, template, wanted, self._caches)
        read = [
            await self._read(canary, ref, content)
            for ref, content in wanted.items()
            if self._is_due(canary, ref, content)
        ]
        for config in read:
            await self._write(canary, config)
        return copies

    def _contents(self, canary: Canary, target: Object, template: Object, revision: str) -> Contents:
        """Find the contents that belong to the revision: they are the present ones or, a run later, the copies'."""
        live = tracked_configs(canary, target, template, self._caches)
        if _is_of(revision, live):
            self._refuse_missing(canary, target, template, live)
            return live
        copied = {
            ref: copy["content"]
            for ref in config_refs(template["spec"])
            if (copy := self._copy(canary, ref)) is not None and is_copy(copy)
        }
        # The last resort is for a primary that has to go back: its copies may be of the run that failed to be promoted,
        # but never hold what nobody analysed.
        is_return = _status(canary, self._caches).get("lastPromotedSpec") == revision
        if _is_of(revision, copied) or (is_return and copied):
            return copied
        found = ", ".join(sorted(map(str, live))) or "nothing"
        raise ConfigLost(
            f"{target['kind']} {canary.namespace}/{canary.spec.target_ref.name}: found {found} with another content "
            f"than revision {revision} was analysed with; allowed: that content, or a run of the present one"
        )

    def _refuse_missing(self, canary: Canary, target: Object, template: Object, live: Contents) -> None:
        """Refuse to make a primary whose pods can't start."""
        if is_tracking_disabled(target):
            return
        for ref, is_required in config_refs(template["spec"]).items():
            if is_required and ref not in live and _cached(canary, ref, self._caches) is None:
                raise ConfigLost(
                    f"{target['kind']} {canary.namespace}/{canary.spec.target_ref.name} spec.template.spec: "
                    f"found a reference to {ref}; allowed: the name of a {ref.kind} in the namespace, and there is none"
                )

    def _is_due(self, canary: Canary, ref: ConfigRef, content: str) -> bool:
        copy = self._copy(canary, ref)
        return copy is None or copy["content"] != content or not is_copy(copy)

    def _copy(self, canary: Canary, ref: ConfigRef) -> Object | None:
        return _cached(canary, ConfigRef(ref.kind, ref.copy_name), self._caches)

    async def _read(self, canary: Canary, ref: ConfigRef, content: str) -> Object:
        try:
            config = await self._client.get(CONFIGS[ref.kind], ref.name, canary.namespace)
        except NotFound as error:
            raise ConfigLost(
                f"{error}; allowed: the {ref.kind} that was analysed, so that it can be promoted"
            ) from error
        if content_of(config) != content:
            raise Conflict(
                "its content is not the analysed one (any more)",
                resource=CONFIGS[ref.kind],
                namespace=canary.namespace,
                name=ref.name,
            )
        return config

    async def _write(self, canary: Canary, config: Object) -> None:
        resource, rendered = CONFIGS[config["kind"]], config_copy(canary, config)
        name, cache = rendered["metadata"]["name"], self._caches.of(resource)
        if cache.get(canary.namespace, name) is None:
            cache.remember(await self._client.create(resource, rendered))
            return
        existing = await self._client.get(resource, name, canary.namespace)
        if not is_copy(existing):
            raise CopyNotOurs(
                f"{resource.kind} {canary.namespace}/{name}: found one that no Canary owns; allowed: none, "
                f"for the copy of {config['metadata']['name']} that the primary uses has this name"
            )
        operations = copy_patch(canary, existing, rendered)
        answer = await self._client.json_patch(
            resource, name, canary.namespace, operations, field_manager=FIELD_MANAGER
        )
        cache.remember(answer)


def _copies(
    canary: Canary, target: Object, template: Object, contents: Contents, caches: Caches
) -> dict[ConfigRef, str]:
    """Point to the copies of what is tracked, and of what may be missing: one that appears goes through a run first."""
    if is_tracking_disabled(target):
        return {}
    copies = {}
    for ref, is_required in config_refs(template["spec"]).items():
        config = _cached(canary, ref, caches)
        is_untracked = config is not None and not config["content"]
        if ref in contents or not (is_required or is_untracked):
            copies[ref] = ref.copy_name
    return copies


def _names_of(contents: Contents) -> dict[str, str]:
    return {str(ref): content for ref, content in contents.items()}


def _is_of(revision: str, contents: Contents) -> bool:
    return config_part(revision) == config_part(with_configs(template_part(revision), _names_of(contents)))


def _stored(canary: Canary, template: Object, caches: Caches) -> Mapping[str, str]:
    status = _status(canary, caches)
    identity = (status.get(SERIN_STATUS) or {}).get(StatusKey.TARGET) or {}
    if template_part(identity.get("revision", "")) != revision_of(template):
        return {}
    stored: Mapping[str, str] = status.get("trackedConfigs") or {}
    return stored


def _status(canary: Canary, caches: Caches) -> Object:
    stored = caches.of(CANARIES).get(canary.namespace, canary.name) or {}
    status: Object = stored.get("status") or {}
    return status


def _cached(canary: Canary, ref: ConfigRef, caches: Caches) -> Object | None:
    return caches.of(CONFIGS[ref.kind]).get(canary.namespace, ref.name)
