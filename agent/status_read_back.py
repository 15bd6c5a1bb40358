"""Reading back the intent: what the API server stored of it is compared with what was written.

Another CRD of the same name, Flagger's own above all, prunes `status.serin` in silence: then nothing is known of a run
from one tick to the next.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from canary.run.state import Blocker
from canary.run.status import UnknownPhase, lost_fields, read_state
from kube.errors import Lost
from kube.resource import Object, Resource

NOT_STORED: Final = "StatusNotStored"

# A CRD that was mended is noticed within the last of these; until then there is one write each time.
_AGAIN_FIRST_S: Final = 1.0
_AGAIN_MAX_S: Final = 60.0
_DOUBLINGS: Final = 10


@dataclass
class StatusReadBack:
    """What the API server makes of one canary's status. `clock` returns monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _losses: int = 0
    _again_at_s: float = 0.0
    _lost: Blocker | None = None

    @property
    def blocker(self) -> Blocker | None:
        """Return what the last write lost; None when it was stored, or when it is time to try again."""
        return self._lost if self.clock() < self._again_at_s else None

    def waits_s(self) -> Iterator[float]:
        """Return the seconds until a write is tried again."""
        if self.blocker is not None:
            yield self._again_at_s - self.clock()

    def check(self, resource: Resource, obj: Object, written: Mapping[str, Any]) -> None:
        """Compare the status of `obj`, as the API server answered, with the one that was written.

        Raises:
            kube.errors.Lost: another intent is read from it.
        """
        stored: Mapping[str, Any] = obj.get("status") or {}
        if _means_the_same(written, stored):
            self._losses, self._again_at_s, self._lost = 0, 0.0, None
            return
        metadata, fields = obj["metadata"], ", ".join(lost_fields(written, stored))
        error = Lost(
            f"{fields or 'status'}: found another value after it was written, or none; allowed: what was written. "
            f"Is {resource.plural}.{resource.group} Serin's own CRD? Apply it again (manifests/crds); until then "
            "nothing is rolled out, and what a canary gets is pulled",
            resource=resource,
            namespace=metadata.get("namespace"),
            name=metadata["name"],
        )
        wait_s = min(_AGAIN_FIRST_S * 2.0 ** min(self._losses, _DOUBLINGS), _AGAIN_MAX_S)
        self._losses += 1
        self._again_at_s = self.clock() + wait_s
        self._lost = Blocker(NOT_STORED, str(error))
        raise error


def _means_the_same(written: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Return whether the same intent is read from both: an empty field that is left out is not lost."""
    if written == stored:
        return True
    try:
        return read_state(written) == read_state(stored)
    except UnknownPhase:
        return False
