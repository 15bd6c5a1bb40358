"""The Canaries that the demo applies: the guide's as they are, or made quicker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from sandbox.demo.cluster import short
from sandbox.demo.pace import Pace, pace_of, quickened, with_not_found_check
from sandbox.paths import REPOSITORY

_GUIDE_CANARY = REPOSITORY / "manifests" / "examples" / "podinfo-canary.yaml"


@dataclass(frozen=True)
class Manifests:
    """`canary` is the file that kubectl is told, `edited` the one with the guide's custom metric added to it."""

    pace: Pace
    canary: str
    edited: str
    changes: tuple[str, ...] = ()

    @classmethod
    def write(cls, folder: Path, *, is_guide_pace: bool) -> Self:
        """Write what is not shipped to `folder`; `changes` has a line for everything that is not as in the guide."""
        canary: dict[str, Any] = yaml.safe_load(_GUIDE_CANARY.read_text())
        edited = with_not_found_check(canary)
        path, edited_path = folder / "podinfo-canary.yaml", folder / "podinfo-canary-404s.yaml"
        changes: list[str] = []
        if is_guide_pace:
            path = _GUIDE_CANARY
        else:
            canary, _ = quickened(canary)
            edited, changes = quickened(edited)
            path.write_text(yaml.safe_dump(canary, sort_keys=False))
        edited_path.write_text(yaml.safe_dump(edited, sort_keys=False))
        return cls(pace_of(canary), short(path), short(edited_path), tuple(changes))
