"""Which pods are whose: the labels by which each side's pods are selected.

A primary's selector is immutable. So what an existing primary selects its own pods by is what leads to it, whatever the
target says by now; only a new primary gets its labels from the target.

Which label tells the sides apart is said of an existing primary by its selector, too, so that another setting of
labels, or that of a Flagger before us, takes nothing away from it.

Source of the shape: Flagger 1.44, which selects by one label alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from canary.api.names import Side, primary_label_value, primary_of
from render.labels import FLAGGERS_LABELS, LabelSettings
from render.objects import Object, UnusableObjectError, describe


class SelectorLabel(NamedTuple):
    """The label that tells the sides apart: the target's pods have `value`, the primary's `{value}-primary`."""

    key: str
    value: str

    @property
    def primary_value(self) -> str:
        """Return the value on the primary's pods."""
        return primary_label_value(self.value)


@dataclass(frozen=True, slots=True)
class SideSelectors:
    """The labels that select each side's pods, and no others."""

    primary: Mapping[str, str]
    canary: Mapping[str, str]

    def of(self, side: Side) -> dict[str, str]:
        """Return the labels of one side."""
        return dict(self.primary if side is Side.PRIMARY else self.canary)


def sides_label(
    target: Object, primary: Object | None = None, settings: LabelSettings = FLAGGERS_LABELS
) -> SelectorLabel:
    """Find the label that tells the sides apart, in the target's `spec.selector.matchLabels`.

    That is the one by which the existing primary is told from its target; without a primary, the first of the
    settings' `selector_labels` that is there.

    Raises:
        UnusableObjectError: there is none.
    """
    of_target, of_primary = own_selector(target), own_selector(primary) if primary is not None else {}
    keys = [key for key in (*settings.selector_labels, *of_primary) if key in of_target]
    # Best first. The second: of a target that was made again with another value, the key is still the primary's.
    ranked = (
        *(key for key in keys if of_primary.get(key) == primary_label_value(of_target[key])),
        *(key for key in keys if primary_of(of_primary.get(key, ""))),
        *(key for key in keys if key in settings.selector_labels),
    )
    if ranked:
        return SelectorLabel(ranked[0], of_target[ranked[0]])
    allowed = f"at least one of the labels {', '.join(settings.selector_labels)}"
    raise UnusableObjectError(target, "spec.selector.matchLabels", found=dict(of_target), allowed=allowed)


def side_selectors(target: Object, primary: Object | None, settings: LabelSettings = FLAGGERS_LABELS) -> SideSelectors:
    """Return what selects each side: all of the target's labels, and what the existing primary is selected by.

    Without a primary, what a new one will be: the target's labels, the one that tells the sides apart renamed. One
    label alone would match the pods of every workload that shares it.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    label, of_target = sides_label(target, primary, settings), own_selector(target)
    of_primary = own_selector(primary) if primary is not None else {}
    return SideSelectors(primary=of_primary or {**of_target, label.key: label.primary_value}, canary=of_target)


def check_same_labels(target: Object, primary: Object, settings: LabelSettings = FLAGGERS_LABELS) -> None:
    """Check that a promotion would leave the primary with pods that its own selector matches.

    Raises:
        UnusableObjectError: the target was made again with other labels; pods of these the primary can't have.
    """
    label, wanted = sides_label(target, primary, settings), own_selector(primary)
    if is_selected(wanted, pod_labels(target) | {label.key: label.primary_value}):
        return
    allowed = (
        f"labels that match {dict(wanted)} once {label.key} is renamed to {label.primary_value!r}, for that is the "
        f"selector of {describe(primary)}, whose pods serve the users and whose selector can't be changed"
    )
    raise UnusableObjectError(target, "spec.selector.matchLabels", found=dict(own_selector(target)), allowed=allowed)


def own_selector(workload: Object) -> Mapping[str, str]:
    """Return the labels by which a workload selects its own pods."""
    found: Mapping[str, str] = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    return found


def pod_labels(workload: Object) -> dict[str, str]:
    """Return the labels of a workload's pods."""
    return dict((workload["spec"]["template"].get("metadata") or {}).get("labels") or {})


def is_selected(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Return whether pods with these labels are selected; an empty selector, as a Service's, selects none."""
    return bool(selector) and selector.items() <= labels.items()
