"""Which pods are whose: the labels by which each side's pods are selected.

A primary's selector is immutable. So what an existing primary selects its own pods by is what leads to it, whatever the
target says by now; only a new primary gets its labels from the target.

Source of the shape: Flagger 1.44, which selects by one label alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from canary.api.names import Side, primary_label_value
from render.objects import Object, UnusableObjectError, describe

SELECTOR_LABELS: Final = ("app", "name", "app.kubernetes.io/name")
"""Labels that may tell the two sides' pods apart, best first. Source: Flagger's flag `-selector-labels`."""


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


def target_selector_label(target: Object) -> SelectorLabel:
    """Find the label in the target's `spec.selector.matchLabels`: the first of SELECTOR_LABELS that is there.

    Raises:
        UnusableObjectError: none of them is.
    """
    found = own_selector(target)
    for key in SELECTOR_LABELS:
        if key in found:
            return SelectorLabel(key, found[key])
    allowed = f"at least one of the labels {', '.join(SELECTOR_LABELS)}"
    raise UnusableObjectError(target, "spec.selector.matchLabels", found=dict(found), allowed=allowed)


def side_selectors(target: Object, primary: Object | None) -> SideSelectors:
    """Return what selects each side: all of the target's labels, and what the existing primary is selected by.

    Without a primary, what a new one will be: the target's labels, the one that tells the sides apart renamed. One
    label alone would match the pods of every workload that shares it.

    Raises:
        UnusableObjectError: the target's selector has no label to tell the sides apart by.
    """
    label, of_target = target_selector_label(target), own_selector(target)
    of_primary = own_selector(primary) if primary is not None else {}
    return SideSelectors(primary=of_primary or {**of_target, label.key: label.primary_value}, canary=of_target)


def check_same_labels(target: Object, primary: Object) -> None:
    """Check that a promotion would leave the primary with pods that its own selector matches.

    Raises:
        UnusableObjectError: the target was made again with other labels; pods of these the primary can't have.
    """
    label, wanted = target_selector_label(target), own_selector(primary)
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
