"""The upkeep of the primary's copies: which are missing, which are another's, and which nobody uses any more."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from agent.caches import Caches
from agent.configs import Contents, cached_config, canary_status, is_of
from agent.copy_names import is_used_by_others, primary_refs
from agent.tracking.port import CONFIGS
from canary.api.canary import Canary
from canary.run.phase import ANALYSING, IDLE
from canary.run.wire import REVISION_ANNOTATION
from kube.resource import Object
from render.config_refs import ConfigRef, config_refs, trackable_refs
from render.copies import copy_owners, is_copy, is_owner, original_of
from render.rollout import is_rolling


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What is to be done for the copies.

    `missing`: the copies to make again, each with what it is made of and the content that this must have. `unowned`:
    copies in use that the canary does not own. `left_over`: copies that it owns and that its primary uses no more.
    `lost` says what can't be made again, empty when all can.
    """

    missing: Mapping[ConfigRef, tuple[ConfigRef, str]] = field(default_factory=dict)
    unowned: tuple[ConfigRef, ...] = ()
    left_over: tuple[ConfigRef, ...] = ()
    lost: str = ""

    @property
    def is_needed(self) -> bool:
        """Return whether there is anything to be done."""
        return bool(self.missing or self.unowned or self.left_over or self.lost)


def find_upkeep(canary: Canary, target: Object, caches: Caches) -> Upkeep:
    """Return what is to be done for the copies that the primary's pods, and the next ones of them, are started with.

    A promotion makes copies of its own. In mid-run only that is done which can be: what is lost comes again with the
    promotion, which therefore must not wait for it; and nothing is removed.
    """
    primary, phase = caches.primary(canary), canary_status(canary, caches).get("phase")
    if caches.tracking.is_off or primary is None or phase not in IDLE | ANALYSING:
        return Upkeep()
    if caches.tracking.unread(canary):
        return Upkeep()  # what was not read is not missing
    templates = (target["spec"]["template"], primary["spec"]["template"])
    copies = caches.memo(canary).of("copies", (canary, *templates), partial(_copies_in_use, canary, target, primary))
    found = {copy: cached_config(canary, copy, caches) for copy in copies}
    missing, lost = _find_missing(canary, primary, copies, caches)
    return Upkeep(
        missing=missing,
        unowned=tuple(
            copy for copy, held in found.items() if held is not None and is_copy(held) and not is_owner(canary, held)
        ),
        left_over=tuple(_left_over(canary, target, caches)) if phase in IDLE and not is_rolling(primary) else (),
        lost=lost if phase in IDLE else "",
    )


def _copies_in_use(canary: Canary, target: Object, primary: Object) -> dict[ConfigRef, tuple[ConfigRef, bool]]:
    """Return the copies that the primary refers to: what each was made of, and whether pods can't start without it.

    What the target refers to by the same name is no copy.
    """
    own = config_refs(target["spec"]["template"]["spec"])
    return {
        ref: (original, is_required)
        for ref, is_required in trackable_refs(primary["spec"]["template"]["spec"]).items()
        if ref not in own and (original := original_of(canary.name, ref)) is not None
    }


def _find_missing(
    canary: Canary, primary: Object, copies: Mapping[ConfigRef, tuple[ConfigRef, bool]], caches: Caches
) -> tuple[dict[ConfigRef, tuple[ConfigRef, str]], str]:
    """Return the missing copies that can be made again, and what is to be said of those that can't.

    Only with the content that the primary was promoted with: another one was not analysed. An optional one may be
    missing because it never was there.
    """
    held: Contents = {}
    gone: dict[ConfigRef, tuple[ConfigRef, bool]] = {}
    for copy, (original, is_required) in copies.items():
        config = cached_config(canary, copy, caches)
        if config is None:
            gone[copy] = (original, is_required)
        elif config["content"]:
            held[original] = config["content"]
    required = {copy: original for copy, (original, is_required) in gone.items() if is_required}
    revision = _revision_of(canary, primary, caches)
    for wanted in ({copy: original for copy, (original, _) in gone.items()}, required):
        contents = _contents(canary, wanted.values(), caches)
        if wanted.keys() and is_of(revision, held | contents):
            return {copy: (ref, contents[ref]) for copy, ref in wanted.items() if ref in contents}, ""
    if not required:
        return {}, ""
    copy, original = next(iter(required.items()))
    return {}, (
        f"{copy.kind} {canary.namespace}/{copy.name}: found none, and the primary's pods can't start without it; "
        f"allowed: a new promotion, or {original.kind} {original.name} as it was in revision {revision}, to be copied "
        f"again"
    )


def _contents(canary: Canary, refs: Iterable[ConfigRef], caches: Caches) -> Contents:
    found = {ref: cached_config(canary, ref, caches) for ref in refs}
    return {ref: config["content"] for ref, config in found.items() if config is not None and config["content"]}


def _revision_of(canary: Canary, primary: Object, caches: Caches) -> str:
    annotations = primary["metadata"].get("annotations") or {}
    return str(annotations.get(REVISION_ANNOTATION) or canary_status(canary, caches).get("lastPromotedSpec") or "")


def _left_over(canary: Canary, target: Object, caches: Caches) -> Iterator[ConfigRef]:
    """Find the copies that the canary owns and that neither side uses; one that another primary uses needs an owner."""
    used = {*primary_refs(canary, caches), *config_refs(target["spec"]["template"]["spec"])}
    for kind in CONFIGS:
        for config in caches.tracking.of(kind).by_namespace(canary.namespace):
            owners, ref = copy_owners(config), ConfigRef(kind, config["metadata"]["name"])
            if canary.name not in owners or ref in used or original_of(canary.name, ref) is None:
                continue
            if len(owners) > 1 or not is_used_by_others(canary, ref, caches):
                yield ref
