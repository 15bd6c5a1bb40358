"""Whose pods the two sides' selectors match: neither a Service nor an Upstream may lead to anybody else's.

Looked at are Deployments and DaemonSets of the namespace, by the labels of their templates: what has no pod now may
have some at any time.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from agent.caches import Caches
from agent.workload_labels import has_controller
from canary.api.canary import Canary
from canary.api.names import Names, Side, primary_label_value, primary_of
from canary.run.state import Blocker
from kube.resource import Object
from kube.store import Change
from render.labels import SELECTOR_LABELS, LabelSettings
from render.objects import UnusableObjectError, describe
from render.ownership import is_owned_by
from render.selectors import (
    check_same_labels,
    is_selected,
    own_selector,
    pod_labels,
    side_selectors,
    sides_label,
)

_TARGET_NAME: Final = "spec.targetRef.name"

_Label = tuple[str, str]


def find_side_blockers(canary: Canary, caches: Caches) -> Iterator[Blocker]:
    """Return what is wrong with the pods that the two sides are to be; nothing where there is no target.

    Of a primary that is another canary's no more is said: that one is in the way as a whole.
    """
    target, primary = caches.target(canary), caches.primary(canary)
    if target is None:
        return
    name = f"Canary {canary.namespace}/{canary.name} {_TARGET_NAME}"
    if primary is not None and not has_controller(primary):
        allowed = (
            f"none, or one that this Canary controls: delete it, or choose another target; if Canary {canary.name} is "
            "to take it over as it is, make the Canary its controller in metadata.ownerReferences"
        )
        text = f"{name}: found {describe(primary)}, which no Canary made; allowed: {allowed}"
        yield Blocker("OwnedByOther", text)
    if primary is not None and not is_owned_by(primary, canary):
        return
    try:
        if primary is not None:
            check_same_labels(target, primary, caches.labels)
        shared = list(_shared_pods(canary, target, primary, caches))
    except UnusableObjectError as error:
        yield Blocker(error.reason, str(error))
        return
    for found in shared:
        allowed = "a target whose spec.selector.matchLabels no pods of other workloads have"
        yield Blocker("TargetUnusable", f"{name}: found {found}; allowed: {allowed}")


def workloads_sharing_labels(change: Change, caches: Caches) -> Iterator[Object]:
    """Find the workloads that a change may have brought into conflict, or out of it: a label of theirs is the same.

    Nothing where neither the labels of its pods nor its selector changed.
    """
    before, after = (frozenset[_Label]() if obj is None else _labels(obj) for obj in (change.old, change.new))
    if before == after:
        return
    touched = _of_either_side(before | after, caches.labels)
    namespace, seen = change.key.namespace, set[tuple[str, str]]()
    for key, value in sorted(touched):
        for either in (value, primary_label_value(value)):
            for workload in caches.labelled.with_label(namespace, key, either):
                name = (workload["kind"], workload["metadata"]["name"])
                is_sharing = not _of_either_side(_labels(workload), caches.labels).isdisjoint(touched)
                if is_sharing and name not in seen:
                    seen.add(name)
                    yield workload


def _shared_pods(canary: Canary, target: Object, primary: Object | None, caches: Caches) -> Iterator[str]:
    selectors = side_selectors(target, primary, caches.labels)
    label = sides_label(target, primary, caches.labels)
    names = Names.of(canary)
    sides = {
        Side.PRIMARY: (names.primary_workload, pod_labels(target) | {label.key: label.primary_value}),
        Side.CANARY: (names.target, pod_labels(target)),
    }
    if primary is not None:
        sides[Side.PRIMARY] = (names.primary_workload, pod_labels(primary))
    for side, (own_name, labels) in sides.items():
        selector = selectors.of(side)
        for workload in _concerned(canary, selector, label.key, labels, caches):
            if workload["kind"] == canary.target_kind and workload["metadata"]["name"] == own_name:
                continue
            is_of_other_canary = not is_owned_by(workload, canary) and has_controller(workload)
            if is_selected(selector, pod_labels(workload)):
                what = f"{selector}, the selector of the {side} side's Service"
                yield f"{describe(workload)}, whose pods match {what}"
            elif is_of_other_canary and is_selected(own_selector(workload), labels):
                what = f"pods of {canary.target_kind} {canary.namespace}/{own_name} match"
                yield f"{describe(workload)} of another Canary, whose selector {dict(own_selector(workload))} {what}"


def _concerned(
    canary: Canary, selector: Mapping[str, str], key: str, labels: Mapping[str, str], caches: Caches
) -> Iterator[Object]:
    """Find the workloads whose pods a side's selector may match, and those of Canaries that may select a side's pods.

    `key` tells the sides apart, so that few others have its value.
    """
    key = key if key in selector else next(iter(selector), "")
    selected = caches.labelled.with_label(canary.namespace, key, selector[key]) if key else []
    selecting = caches.labelled.of_canaries_selecting(canary.namespace, labels)
    yield from {(found["kind"], found["metadata"]["name"]): found for found in (*selected, *selecting)}.values()


def _labels(workload: Object) -> frozenset[_Label]:
    """Return all labels that decide whose pods these are: the pods' own, and those that the workload selects by."""
    return frozenset((*pod_labels(workload).items(), *own_selector(workload).items()))


def _of_either_side(labels: frozenset[_Label], settings: LabelSettings) -> set[_Label]:
    """Return those by which sides are told apart, as the target has them.

    Those of primaries that were made under other settings are known by their values, or by being usual.
    """
    keys = {*settings.selector_labels, *SELECTOR_LABELS}
    found = ((key, value, primary_of(value)) for key, value in labels)
    return {(key, stem or value) for key, value, stem in found if stem or key in keys}
