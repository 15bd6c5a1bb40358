"""Which labels may tell the two sides' pods apart, and which are carried over to what is generated.

Source: Flagger 1.44, its flags `-selector-labels` and `-include-label-prefix`.
"""

import re
from dataclasses import dataclass
from typing import Final, Self

from canary.api.names import RESERVED_PREFIXES
from canary.rules.http_syntax import is_qualified_name
from render.json_patch import Operation, pointer, remove
from render.objects import Object
from render.ownership import without_flux

SELECTOR_LABELS: Final = ("app", "name", "app.kubernetes.io/name")
"""Labels that may tell the two sides' pods apart where nobody says otherwise, best first."""

ALL_LABELS: Final = "*"
"""In place of a prefix: every label."""

SELECTOR_LABELS_FLAG: Final = "--selector-labels"
INCLUDE_LABEL_PREFIX_FLAG: Final = "--include-label-prefix"


@dataclass(frozen=True, slots=True)
class LabelSettings:
    """Flagger's two settings of labels, one of each for all canaries.

    `selector_labels` are the keys of which a target's selector must have one, best first. Of the target's own labels,
    and of those of its ConfigMaps and Secrets, the primary's get those whose keys begin with one of
    `included_prefixes`.
    """

    selector_labels: tuple[str, ...] = SELECTOR_LABELS
    included_prefixes: tuple[str, ...] = ()

    @classmethod
    def read(cls, selector_labels: str, include_label_prefix: str) -> Self:
        """Read the two as they are written for Flagger: with commas between.

        Raises:
            ValueError: the flag, what was found in it, and what is allowed.
        """
        keys, prefixes = _listed(selector_labels), _listed(include_label_prefix)
        if not keys or not all(map(is_qualified_name, keys)):
            raise ValueError(
                f"{SELECTOR_LABELS_FLAG}: found {selector_labels!r}; allowed: keys of labels with commas between, as "
                f"in {','.join(SELECTOR_LABELS)}"
            )
        if not all(prefix == ALL_LABELS or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", prefix) for prefix in prefixes):
            raise ValueError(
                f"{INCLUDE_LABEL_PREFIX_FLAG}: found {include_label_prefix!r}; allowed: what keys of labels begin "
                f"with, with commas between, as in team,app.kubernetes.io/; or {ALL_LABELS} for all labels"
            )
        return cls(keys, prefixes)

    def includes(self, key: str) -> bool:
        """Return whether a label is carried over. Flux's never are, nor ours: of a copy they would be lies."""
        if key.startswith(RESERVED_PREFIXES):
            return False
        return any(prefix == ALL_LABELS or key.startswith(prefix) for prefix in self.included_prefixes)

    def included(self, obj: Object) -> dict[str, str]:
        """Return those labels of an object that are carried over to what is generated from it."""
        labels = without_flux(obj["metadata"].get("labels"))
        return {key: value for key, value in labels.items() if self.includes(key)}


FLAGGERS_LABELS: Final = LabelSettings()
"""What holds where nobody says otherwise."""


def removed_labels(copy: Object, rendered: Object, settings: LabelSettings) -> list[Operation]:
    """Remove the labels that were carried over to a copy, and that its original has no more; those of others stay."""
    wanted = rendered["metadata"].get("labels") or {}
    gone = (key for key in copy["metadata"].get("labels") or {} if key not in wanted and settings.includes(key))
    return [remove(pointer("metadata", "labels", key)) for key in gone]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
