"""The way back from a primary's pod template to the target's that it was rendered from, for an undo.

The target's own ReplicaSets have that template as it was, but also those of every failed revision: the primary's have
promoted ones only, and longer. Rendering is not one to one, so the revision's hash tells whether the way back is right.
"""

from collections.abc import Iterator
from copy import deepcopy
from itertools import product

from canary.run.revision import plain_template, revision_of, template_part
from canary.run.wire import FLAGGER_ID_ANNOTATION
from render.config_refs import config_refs, point_to_copies
from render.copies import original_of
from render.objects import Object
from render.pod_template import pod_selectors, rename_in_selector
from render.selectors import SelectorLabel


def analysed_template(template: Object, label: SelectorLabel, canary_name: str, revision: str) -> Object | None:
    """Return the target's template of a revision, turned back from the primary's; None where it can't be.

    That is where something of it was not copied to the primary (what Flux wrote into it), where it had a name like a
    copy's, or where the name of a copy was cut.
    `label` is the target's. Without a `revision`, as of a primary that Flagger made, it is the likeliest one, unproven.
    """
    for candidate in _candidates(template, label, canary_name):
        if not revision or revision_of(candidate) == template_part(revision):
            return candidate
    return None


def _candidates(template: Object, label: SelectorLabel, canary_name: str) -> Iterator[Object]:
    """Return what it may have been, the likeliest first: with the target's references and selectors, or without."""
    for has_copies, has_selectors in product((True, False), repeat=2):
        candidate = _with_own_label(template, label)
        if has_copies:
            _point_to_originals(candidate["spec"], canary_name)
        for selector in pod_selectors(candidate["spec"]) if has_selectors else ():
            rename_in_selector(selector, label.key, label.primary_value, label.value)
        yield candidate


def _with_own_label(template: Object, label: SelectorLabel) -> Object:
    plain = deepcopy(plain_template(template))
    metadata = plain["metadata"]
    if (metadata.get("labels") or {}).get(label.key) == label.primary_value:
        metadata["labels"][label.key] = label.value
    annotations = metadata.get("annotations") or {}
    if annotations.pop(FLAGGER_ID_ANNOTATION, None) is not None and not annotations:
        del metadata["annotations"]
    return plain


def _point_to_originals(pod_spec: Object, canary_name: str) -> None:
    originals = {ref: original_of(canary_name, ref) for ref in config_refs(pod_spec)}
    point_to_copies(pod_spec, {ref: original.name for ref, original in originals.items() if original is not None})
