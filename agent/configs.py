"""Config tracking: what a target is configured by, as the caches show it. They keep hashes, no content."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from agent.caches import Caches
from agent.resources import CANARIES
from agent.revision_templates import TemplateLost
from canary.api.bounds import MOST_CONFIG_REFS
from canary.api.canary import Canary
from canary.api.parts import mapping_of, text_of
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.revision import config_part, revision_of, template_part, with_configs
from canary.run.wire import SERIN_STATUS, StatusKey
from kube.resource import Object
from render.config_refs import ConfigRef, has_too_many_refs, trackable_refs
from render.configs import is_tracking_disabled
from render.scale import is_configured_by

# No run is under way: the next one may start.
_BETWEEN_RUNS: Final = frozenset({"", Phase.INITIALIZING, *IDLE})

Contents = dict[ConfigRef, str]
"""Content hashes."""


class ConfigLost(TemplateLost):
    """The configuration of an analysed revision is nowhere any more: it was changed or deleted since."""


def tracked_configs(canary: Canary, target: Object, template: Object, caches: Caches) -> Contents:
    """Return what a pod template is configured by, as it is now.

    One that is missing is no change: it counts with the hash that the canary's status has for it, as long as the
    template is the one that this was stored for; a read may fail, and `kubectl replace --force` deletes for a moment.
    """
    if is_untracked(target, caches):
        return {}
    refs = caches.memo(canary).of("config refs", (template,), partial(trackable_refs, template["spec"]))
    if not refs:
        return {}
    known = _stored(canary, template, caches)
    found: Contents = {}
    for ref in refs:
        config = cached_config(canary, ref, caches)
        content = known.get(str(ref), "") if config is None else config["content"]
        if content:
            found[ref] = content
    return found


def is_untracked(target: Object, caches: Caches) -> bool:
    """Return whether nothing that the target is configured by is tracked: for it alone, or at all."""
    return caches.tracking.is_off or is_tracking_disabled(target)


def target_revision(canary: Canary, target: Object, caches: Caches) -> tuple[str, dict[str, str]]:
    """Return the target's revision, and the content hashes in it as `status.trackedConfigs` spells them."""
    template = target["spec"]["template"]
    configs = _names_of(tracked_configs(canary, target, template, caches))
    return with_configs(_revision_of(canary, template, caches), configs), configs


def refuse_unread_start(canary: Canary, caches: Caches) -> None:
    """Let no run start of a revision of which a part was never read; all else goes on without the answer.

    Nothing is read when an agent starts. Were that held up, one Secret that can't be read would keep a canary that has
    traffic from its checks and its rollback, and a deleted one from its end.

    Raises:
        kube.errors.KubeError: what was not read.
    """
    unread, target = caches.tracking.unread(canary), caches.target(canary)
    if not unread or target is None:
        return
    stored = caches.of(CANARIES).get(canary.namespace, canary.name) or {}
    status = mapping_of(stored, "status")
    is_deleted = "deletionTimestamp" in mapping_of(stored, "metadata")
    is_running = bool(status.get("canaryWeight")) or text_of(status, "phase") not in _BETWEEN_RUNS
    if is_deleted or is_running or target_revision(canary, target, caches)[0] == _seen_revision(status):
        return
    raise next(iter(unread.values()))


def tracking_problems(canary: Canary, caches: Caches) -> tuple[str, ...]:
    """Return what users should know of what is not tracked: it holds nothing up."""
    target = caches.target(canary)
    problems = caches.tracking.problems(canary)
    if target is None or is_untracked(target, caches) or not _has_too_many_refs(canary, target, caches):
        return problems
    problem = (
        f"{target['kind']} {canary.namespace}/{canary.spec.target_ref.name} spec.template.spec: found references to "
        f"more than {MOST_CONFIG_REFS} ConfigMaps and Secrets, so none of them is tracked: a change of one starts no "
        f"run and both sides use it as it is; allowed: up to {MOST_CONFIG_REFS}, or flagger.app/config-tracking: "
        f"disabled"
    )
    return (*problems, problem)


def is_started_otherwise(canary: Canary, target: Object, caches: Caches) -> bool:
    """Return whether pods of the revision under analysis run that were started with another configuration.

    They do after an edit in mid-run. Pods of other revisions are left alone, for they may serve users: those of a
    revision that no run is about yet, and of one that is being promoted. What pods started with that came up under
    Flagger is unknown.
    """
    status = canary_status(canary, caches)
    if status.get("phase") not in ANALYSING:
        return False
    revision, _ = target_revision(canary, target, caches)
    return status.get("lastAppliedSpec") == revision and not is_configured_by(target, config_part(revision))


def _has_too_many_refs(canary: Canary, target: Object, caches: Caches) -> bool:
    template = target["spec"]["template"]
    return caches.memo(canary).of("too many refs", (template,), partial(has_too_many_refs, template["spec"]))


def _revision_of(canary: Canary, template: Object, caches: Caches) -> str:
    return caches.memo(canary).of("revision", (template,), partial(revision_of, template))


def _names_of(contents: Contents) -> dict[str, str]:
    return {str(ref): content for ref, content in contents.items()}


def is_of(revision: str, contents: Contents) -> bool:
    """Return whether these are all contents that a revision was configured by."""
    return config_part(revision) == config_part(with_configs(template_part(revision), _names_of(contents)))


def _stored(canary: Canary, template: Object, caches: Caches) -> Mapping[str, str]:
    status = canary_status(canary, caches)
    if template_part(_seen_revision(status)) != _revision_of(canary, template, caches):
        return {}
    stored: Mapping[str, str] = status.get("trackedConfigs") or {}
    return stored


def _seen_revision(status: Mapping[str, Any]) -> str:
    return text_of(mapping_of(mapping_of(status, SERIN_STATUS), StatusKey.TARGET), "revision")


def canary_status(canary: Canary, caches: Caches) -> Object:
    """Return the Canary's status as it is stored."""
    stored = caches.sight(canary).stored or {}
    status: Object = stored.get("status") or {}
    return status


def cached_config(canary: Canary, ref: ConfigRef, caches: Caches) -> Object | None:
    """Return what is kept of a ConfigMap or Secret, see `summary`; None where there is none."""
    return caches.tracking.of(ref.kind).get(canary.namespace, ref.name)
