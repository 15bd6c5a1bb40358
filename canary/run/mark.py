"""The mark: what the admission webhook writes on a workload whose template changed, and the agent reads.

It says nothing that the agent believes blindly: it counts only for as long as its revision is that of the template.
No timestamp is in it, so that a dry run, a retry and a second pass of admission all give the same patch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from canary.run.wire import CHANGED_ANNOTATION, CHANGED_BY_ANNOTATION, REVISION_ANNOTATION


@dataclass(frozen=True, slots=True)
class Mark:
    """A revision with its provenance.

    `changed` is what changed in words (`podinfod image 6.0.0 -> 6.0.1`), `by` the user or service account that the API
    server authenticated. Both may be empty: a workload that was just created has nothing that changed.
    """

    revision: str
    changed: str = ""
    by: str = ""

    @classmethod
    def read(cls, annotations: Mapping[str, str] | None) -> Self | None:
        """Read the mark from a workload's own annotations, None where there is none."""
        found = annotations or {}
        if not found.get(REVISION_ANNOTATION):
            return None
        return cls(found[REVISION_ANNOTATION], found.get(CHANGED_ANNOTATION, ""), found.get(CHANGED_BY_ANNOTATION, ""))

    def annotations(self) -> dict[str, str]:
        """Return the annotations that carry the mark; an empty value is written too, so that an old one is replaced."""
        return {REVISION_ANNOTATION: self.revision, CHANGED_ANNOTATION: self.changed, CHANGED_BY_ANNOTATION: self.by}

    def __str__(self) -> str:
        """Return it in words, for messages: `podinfod image 6.0.0 -> 6.0.1, applied by alice`."""
        return ", ".join(filter(None, [self.changed, f"applied by {self.by}" if self.by else ""]))
