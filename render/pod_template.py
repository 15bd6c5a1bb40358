"""The primary's pod template: the analysed one, with what tells the two sides apart rewritten."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, Final

from canary.api.names import primary_label_value
from canary.run.revision import plain_template
from canary.run.wire import CONFIG_ANNOTATION, FLAGGER_ID_ANNOTATION
from render.config_refs import NO_COPIES, ConfigRef, point_to_copies
from render.objects import Object
from render.ownership import without_flux

_AFFINITIES: Final = ("podAffinity", "podAntiAffinity")


def primary_template(
    template: Object,
    label_key: str,
    label_value: str,
    copies: Mapping[ConfigRef, str] = NO_COPIES,
    config_hash: str = "",
) -> Object:
    """Render the primary's template: the label that tells the sides apart, and the terms that select by it, renamed.

    Affinity and topology terms for the target's own pods would else spread the primary's pods around the canary's.
    """
    rendered = _plain(template)
    metadata, spec = rendered["metadata"], rendered["spec"]
    primary_value = primary_label_value(label_value)
    metadata["labels"] = without_flux(metadata.get("labels")) | {label_key: primary_value}
    if config_hash:
        metadata["annotations"] = metadata.get("annotations", {}) | {CONFIG_ANNOTATION: config_hash}
    for selector in pod_selectors(spec):
        rename_in_selector(selector, label_key, label_value, primary_value)
    point_to_copies(spec, copies)
    return rendered


def is_same_template(live: Object, rendered: Object) -> bool:
    """Compare two pod templates by what their users and we wrote."""
    return _plain(live) == _plain(rendered)


def _plain(template: Object) -> Object:
    plain = deepcopy(plain_template(template))
    annotations = without_flux(plain["metadata"].pop("annotations", None))
    annotations.pop(FLAGGER_ID_ANNOTATION, None)
    if annotations:
        plain["metadata"]["annotations"] = annotations
    return plain


def pod_selectors(spec: Object) -> Iterator[dict[str, Any]]:
    """Find every label selector by which a pod spec chooses other pods."""
    terms: list[Object] = list(spec.get("topologySpreadConstraints") or ())
    affinity = spec.get("affinity") or {}
    for kind in _AFFINITIES:
        rules = affinity.get(kind) or {}
        terms += rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [weighted.get("podAffinityTerm") or {} for weighted in preferred]
    for term in terms:
        if term.get("labelSelector"):
            yield term["labelSelector"]


def rename_in_selector(selector: dict[str, Any], key: str, before: str, after: str) -> None:
    """Replace, in place, a value that a label is selected by."""
    labels = selector.get("matchLabels") or {}
    if labels.get(key) == before:
        labels[key] = after
    for expression in selector.get("matchExpressions") or ():
        if expression.get("key") == key:
            values = expression.get("values") or []
            expression["values"] = [after if found == before else found for found in values]
