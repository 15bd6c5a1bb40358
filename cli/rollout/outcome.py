"""What became of a revision: promoted, rolled back, overtaken, or not known yet."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Self

from canary.run.history import HistoryEntry
from canary.run.history import Outcome as Ended
from canary.run.phase import Phase
from canary.run.revision import revision_of, template_part
from cli.exit_codes import ExitCode
from cli.rollout.canary import CanaryView
from cli.rollout.sides import images_of
from kube.resource import Object


class Outcome(Enum):
    """How far a revision has come."""

    NOT_BEGUN = "has not begun"
    RUNNING = "is under way"
    WAITS = "waits"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"

    @property
    def has_ended(self) -> bool:
        """Return whether nothing more will become of it."""
        return self not in {Outcome.NOT_BEGUN, Outcome.RUNNING, Outcome.WAITS}

    @property
    def exit_code(self) -> ExitCode:
        """Return what the shell is told."""
        return {
            Outcome.PROMOTED: ExitCode.OK,
            Outcome.ROLLED_BACK: ExitCode.FAULTS,
            Outcome.SKIPPED: ExitCode.FAULTS,
            Outcome.SUPERSEDED: ExitCode.SUPERSEDED,
            Outcome.WAITS: ExitCode.WAITS,
        }.get(self, ExitCode.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The revision that is asked about: as it was typed, or that of a template.

    `is_template`: of its configuration nothing is known, and any counts.
    """

    revision: str
    is_template: bool = False

    def matches(self, revision: str) -> bool:
        """Return whether this is the one."""
        if not revision or not self.revision:
            return False
        if self.is_template:
            return template_part(revision) == template_part(self.revision)
        return revision.startswith(self.revision)

    def is_of(self, template: str) -> bool:
        """Return whether a template has this revision, whatever its configuration."""
        return template.startswith(self.revision) or template == template_part(self.revision)


@dataclass(frozen=True, slots=True)
class Target:
    """The target as it is now: the hash of its template and its images."""

    template: str
    images: tuple[str, ...]

    @classmethod
    def read(cls, obj: Object) -> Self:
        """Read a Deployment or a DaemonSet."""
        template: Mapping[str, Any] = (obj.get("spec") or {}).get("template") or {}
        return cls(revision_of(template), images_of(template))

    def has_image(self, image: str) -> bool:
        """Return whether a container has this image; a registry and folders may be left out."""
        return any(one == image or one.endswith(f"/{image}") for one in self.images)


def outcome(
    view: CanaryView,
    wanted: Wanted,
    target: Target | None,
    *,
    was_seen: bool,
    former: Collection[HistoryEntry] = frozenset(),
) -> Outcome:
    """Return what became of the wanted revision.

    `was_seen`: the target had it, or its run was on. What was never seen may still come, as from Git. `former` runs are
    not meant: they had ended before anybody waited for one, and a revision may be rolled out more than once.
    """
    if wanted.matches(view.analysed):
        return _of_analysed(view, wanted)
    is_present = target is not None and wanted.is_of(target.template)
    if wanted.matches(view.promoted) and (view.is_idle or not is_present):
        return Outcome.PROMOTED
    if is_present:
        return Outcome.NOT_BEGUN
    return _of_ended(view, wanted, former) or (Outcome.SUPERSEDED if was_seen else Outcome.NOT_BEGUN)


def _of_analysed(view: CanaryView, wanted: Wanted) -> Outcome:
    if view.waits_for_somebody:
        return Outcome.WAITS
    if not view.is_idle:
        return Outcome.RUNNING
    if view.phase == Phase.FAILED:
        return Outcome.ROLLED_BACK
    return Outcome.PROMOTED if wanted.matches(view.promoted) else Outcome.SKIPPED


def _of_ended(view: CanaryView, wanted: Wanted, former: Collection[HistoryEntry]) -> Outcome | None:
    """Return what the history says of the revision's last run, None where it has none but former ones."""
    runs = (run for run in view.history if wanted.matches(run.revision) and run not in former)
    return next((ENDS[run.outcome] for run in runs), None)


ENDS: Final = {
    Ended.PROMOTED: Outcome.PROMOTED,
    Ended.ROLLED_BACK: Outcome.ROLLED_BACK,
    Ended.SUPERSEDED: Outcome.SUPERSEDED,
}
