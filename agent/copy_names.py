"""Which names the primary's copies of its configuration have, or get with its next promotion. Read from the caches."""

from collections.abc import Iterable, Iterator

from agent.caches import Caches
from agent.concerns import WORKLOADS
from agent.configs import Contents, cached_config, is_untracked, tracked_configs
from agent.resources import CANARIES
from agent.revision_templates import TemplateLost
from canary.api.canary import Canary
from canary.api.names import primary_name
from kube.resource import Object
from render.config_refs import ConfigRef, config_refs, trackable_refs
from render.copies import copy_names, copy_owners, is_copy


class CopyNotOurs(TemplateLost):
    """What stands under the names of a copy belongs to somebody else."""


def primary_refs(canary: Canary, caches: Caches) -> Iterable[ConfigRef]:
    """Return the ConfigMaps and Secrets that the primary's template refers to; empty without a primary."""
    primary = caches.primary(canary)
    return () if primary is None else config_refs(primary["spec"]["template"]["spec"])


def is_used_by_others(canary: Canary, ref: ConfigRef, caches: Caches) -> bool:
    """Return whether another canary's primary refers to it."""
    return any(ref in refs for refs in _refs_of_others(canary, caches))


def _refs_of_others(canary: Canary, caches: Caches) -> Iterator[Iterable[ConfigRef]]:
    for other in caches.of(CANARIES).by_namespace(canary.namespace):
        target = str(((other.get("spec") or {}).get("targetRef") or {}).get("name") or "")
        if other["metadata"]["name"] == canary.name or not target:
            continue
        for resource in WORKLOADS.values():
            primary = caches.of(resource).get(canary.namespace, primary_name(target))
            if primary is not None:
                yield config_refs(primary["spec"]["template"]["spec"])


def copy_name(canary: Canary, ref: ConfigRef, content: str, caches: Caches) -> str:
    """Return the name that the copy of `ref` has after a promotion of this content ("": of none).

    It keeps the present name where the copy can be written and is of no other primary.

    Raises:
        CopyNotOurs: somebody else's objects have all names.
    """
    names = copy_names(canary.name, ref)
    original = cached_config(canary, ref, caches)
    copies = {name: cached_config(canary, ConfigRef(ref.kind, name), caches) for name in names}
    shared = {name for name in names[:1] if is_used_by_others(canary, ConfigRef(ref.kind, name), caches)}
    usable = [
        name
        for name, copy in copies.items()
        if copy is not None and name not in shared and _is_writable(canary, copy, original, content)
    ]
    present = set(primary_refs(canary, caches))
    in_use = [name for name in usable if ConfigRef(ref.kind, name) in present]
    free = [name for name, copy in copies.items() if copy is None and name not in shared]
    for name in (*in_use, *usable, *free):
        return name
    raise CopyNotOurs(
        f"{ref.kind} {canary.namespace}/{', '.join(names)}: found objects that can't become the primary's copy of "
        f"{ref.name}; allowed: one of these names that is free"
    )


def _is_writable(canary: Canary, copy: Object, original: Object | None, content: str) -> bool:
    """Return whether a promotion may leave the copy with this content: it is ours alone, and the API server lets it."""
    if set(copy_owners(copy)) != {canary.name}:
        return False
    is_same_type = original is None or copy["type"] == original["type"]
    return copy["content"] == content or (is_same_type and not copy["isImmutable"])


def promoted_copies(
    canary: Canary, target: Object, template: Object, contents: Contents, caches: Caches
) -> dict[ConfigRef, str]:
    """Name the copies of what is tracked, and of what may be missing: one that appears goes through a run first.

    Raises:
        CopyNotOurs: as `copy_name`.
    """
    copied = _copied_refs(canary, target, template, contents, caches)
    return {ref: copy_name(canary, ref, contents.get(ref, ""), caches) for ref in copied}


def present_copies(canary: Canary, target: Object, template: Object, caches: Caches) -> dict[ConfigRef, str]:
    """Return the names of the copies as the primary has them; where it has none, their first names."""
    contents, present = tracked_configs(canary, target, template, caches), set(primary_refs(canary, caches))
    copied = _copied_refs(canary, target, template, contents, caches)
    return {ref: _name_in_use(canary, ref, present) or copy_names(canary.name, ref)[0] for ref in copied}


def are_copied(canary: Canary, target: Object, template: Object, caches: Caches) -> bool:
    """Return whether the copies hold what the target is configured by now."""
    contents = tracked_configs(canary, target, template, caches)
    names = present_copies(canary, target, template, caches)
    return all(
        (copy := cached_config(canary, ConfigRef(ref.kind, names[ref]), caches)) is not None
        and copy["content"] == content
        for ref, content in contents.items()
    )


def copied_contents(canary: Canary, template: Object, caches: Caches, *, is_in_use_first: bool) -> Contents:
    """Return what the copies hold of a template's configuration: those in use, or those that a promotion left unused.

    Where there is no such copy of a reference, the other one counts.
    """
    present, found = set(primary_refs(canary, caches)), Contents()
    for ref in trackable_refs(template["spec"]):
        copies = [ConfigRef(ref.kind, name) for name in copy_names(canary.name, ref)]
        copies.sort(key=lambda copy: (copy in present) is not is_in_use_first)
        held = (cached_config(canary, copy, caches) for copy in copies)
        content = next((copy["content"] for copy in held if copy is not None and is_copy(copy)), None)
        if content is not None:
            found[ref] = content
    return found


def _copied_refs(
    canary: Canary, target: Object, template: Object, contents: Contents, caches: Caches
) -> Iterator[ConfigRef]:
    if is_untracked(target, caches):
        return
    unread = caches.tracking.unread(canary)
    present = set(primary_refs(canary, caches)) if unread else ()
    for ref, is_required in trackable_refs(template["spec"]).items():
        if ref in unread:  # nobody knows whether it is tracked: the primary shows whether it was
            if ref in contents or _name_in_use(canary, ref, present):
                yield ref
            continue
        config = cached_config(canary, ref, caches)
        counts_not = config is not None and not config["content"]
        if ref in contents or not (is_required or counts_not):
            yield ref


def _name_in_use(canary: Canary, ref: ConfigRef, present: Iterable[ConfigRef]) -> str:
    return next((name for name in copy_names(canary.name, ref) if ConfigRef(ref.kind, name) in present), "")
