"""How far a cluster's start is: written by its first process, read by `up` and `status`."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path


class Phase(StrEnum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


@dataclass
class Report:
    """`parts` has the seconds that each ready part took, in the order of their readiness; `seconds` the whole start."""

    phase: Phase = Phase.STARTING
    seconds: float = 0.0
    parts: dict[str, float] = field(default_factory=dict)
    error: str = ""

    def write(self, path: Path) -> None:
        """Replace the file in one step, so that no reader sees half of it."""
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2))
        draft.replace(path)


def read(path: Path) -> Report | None:
    """Return the report at `path`; None when there is none yet."""
    try:
        fields = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return Report(**fields | {"phase": Phase(fields["phase"])})
