"""Which release is put back, and what it was made of. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from canary.api.shown import shown
from canary.run.history import Outcome
from canary.run.request import SHORTEST_PREFIX_CHARS
from canary.run.revision import UNKNOWN, config_part, plain_template, revision_of, template_part
from canary.run.wire import REVISION_ANNOTATION, SCALE_TO_ZERO_LABEL
from cli.rollout.canary import CanaryView
from kube.resource import Object, Objects
from render.analysed_template import analysed_template
from render.objects import UnusableObjectError
from render.selectors import sides_label

Template = dict[str, Any]

_DEPLOYMENTS_ORDER: Final = "deployment.kubernetes.io/revision"

GITOPS: Final = {
    "argocd.argoproj.io/": "Argo CD",
    "kustomize.toolkit.fluxcd.io/": "Flux",
    "helm.toolkit.fluxcd.io/": "Flux",
}
"""The prefixes of the labels and annotations by which these mark what they apply."""


class NoRelease(Exception):  # noqa: N818  reads as what was found
    """There is nothing that could be put back; the message says why, and what may be typed instead."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A template that a workload's controller keeps. The highest `order` is the present one.

    `noted`: the revision that is noted on it, empty where none is.
    """

    order: int
    template: Template
    noted: str = ""

    @classmethod
    def read(cls, obj: Object) -> Self:
        """Read a ReplicaSet or a ControllerRevision."""
        annotations = obj["metadata"].get("annotations") or {}
        spec = obj["data"]["spec"] if "data" in obj else obj["spec"]
        template = {key: value for key, value in spec["template"].items() if key != "$patch"}
        order = obj.get("revision") or annotations.get(_DEPLOYMENTS_ORDER) or "0"
        return cls(
            int(order) if str(order).isdecimal() else 0, template, shown(str(annotations.get(REVISION_ANNOTATION, "")))
        )


@dataclass(frozen=True, slots=True)
class Release:
    """A revision that may be put back, with its template."""

    revision: str
    template: Template


def kept_of(found: Objects, owner_uid: str) -> list[Kept]:
    """Return what a workload's controller keeps for it, the newest first."""
    own = [
        obj for obj in found if any(ref.get("uid") == owner_uid for ref in obj["metadata"].get("ownerReferences") or ())
    ]
    return sorted(map(Kept.read, own), key=lambda kept: -kept.order)


def wanted_revision(view: CanaryView, primary: Sequence[Kept], present: str, to_revision: str) -> str:
    """Return the revision to put back: as it was typed, else the last promoted one that the target has not.

    That is the promoted one where the target went on to another, which was rolled back, or whose run is on. Else it is
    the one before: also where the target has that already, by an undo.

    Raises:
        NoRelease: there is none.
    """
    if to_revision:
        return _typed_revision(view, to_revision)
    if view.promoted == UNKNOWN:
        raise NoRelease("nobody knows which release the primary has, as after a takeover; name one: --to-revision")
    promoted = template_part(view.promoted)
    try:
        before = release_before(view, primary)
    except NoRelease:
        if promoted in {"", UNKNOWN, present}:
            raise
        return view.promoted
    return before if present in {promoted, template_part(before)} or not promoted else view.promoted


def _typed_revision(view: CanaryView, text: str) -> str:
    if len(text) < SHORTEST_PREFIX_CHARS:
        allowed = f"a revision, or at least its first {SHORTEST_PREFIX_CHARS} characters"
        raise NoRelease(f"--to-revision: found {text!r}; allowed: {allowed}")
    # The newest of those with one template: of the contents of ConfigMaps nothing is put back.
    oldest_first = [run.revision for run in reversed(view.history) if run.revision.startswith(text)]
    found = {template_part(revision): revision for revision in oldest_first}
    if len(found) > 1:
        raise NoRelease(f"revision {text} may be {' or '.join(found)}; give more of its characters")
    return next(iter(found.values()), text)


def release_before(view: CanaryView, primary: Sequence[Kept]) -> str:
    """Return the last promoted revision before the present one.

    Without a history, from before there was one, it is that of the primary's own template before the present one.

    Raises:
        NoRelease: there is none.
    """
    present = template_part(view.promoted)
    promoted = [run.revision for run in view.history if run.outcome is Outcome.PROMOTED]
    noted = [kept.noted for kept in primary]
    for revision in (*promoted, *noted):
        if revision and template_part(revision) != present:
            return revision
    raise NoRelease("found no release before the present one: nothing else was promoted that is still known")


def is_known(view: CanaryView, wanted: str) -> bool:
    """Return whether a revision is, or was, one of this canary's, as far as its status goes."""
    known = (view.analysed, view.promoted, view.seen, *(run.revision for run in view.history))
    return any(one.startswith(wanted) for one in known)


def find_release(wanted: str, target: Iterable[Kept], turned_back: Iterable[Release]) -> Release:
    """Return the wanted revision's template: as the target's controller keeps it, else turned back from the primary's.

    Raises:
        NoRelease: nobody keeps it, or it may be two.
    """
    part = template_part(wanted)
    own = [Release(revision_of(kept.template), plain_template(kept.template)) for kept in target]
    found: dict[str, Release] = {}
    for release in (*own, *turned_back):
        if template_part(release.revision) == part or release.revision.startswith(wanted):
            found.setdefault(template_part(release.revision), release)
    if not found:
        raise NoRelease(
            f"nobody keeps the template of revision {wanted} any more; how many are kept, the target's "
            f"spec.revisionHistoryLimit says"
        )
    if len(found) > 1:
        raise NoRelease(f"revision {wanted} may be {' or '.join(found)}; give more of its characters")
    return next(iter(found.values()))


def turned_back(kept: Iterable[Kept], primary: Object, target: Object, canary: str) -> Iterator[Release]:
    """Return what the primary's controller keeps, as the target had it; what can't be told for sure is left out."""
    try:
        label = sides_label(target, primary)
    except UnusableObjectError:
        return
    for one in kept:
        template = analysed_template(one.template, label, canary, one.noted) if one.noted else None
        if template is not None:
            yield Release(one.noted, template)


def put_into(target: Object, release: Release) -> Template:
    """Return the template as it is written into the target: what scales a DaemonSet to zero stays as it is."""
    template = plain_template(release.template)
    selector = (target["spec"]["template"].get("spec") or {}).get("nodeSelector") or {}
    if SCALE_TO_ZERO_LABEL in selector:
        own = template["spec"].get("nodeSelector") or {}
        template["spec"] = template["spec"] | {
            "nodeSelector": own | {SCALE_TO_ZERO_LABEL: selector[SCALE_TO_ZERO_LABEL]}
        }
    return template


def revision_in(view: CanaryView, part: str) -> str:
    """Return the revision of a template with its configuration, where the status has it."""
    known = (view.promoted, view.analysed, view.seen)
    return next((one for one in known if template_part(one) == part), part)


def warnings(view: CanaryView, wanted: str, target: Object) -> Iterator[str]:
    """Say what is not undone, and who may undo the undoing."""
    before = config_part(wanted)
    now = config_part(revision_in(view, revision_of(target["spec"]["template"])))
    if now and before != now:
        yield "the contents of ConfigMaps and Secrets are not put back: they stay as they are now"
    if owner := applied_by(target["metadata"]):
        name = f"{target['kind']} {target['metadata']['name']}"
        yield f"{owner} applies {name}, and may put its own back: undo it in Git, too"


def applied_by(metadata: Mapping[str, Any]) -> str:
    """Return which GitOps controller applies an object, empty where none is known."""
    keys = [*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})]
    return next((name for prefix, name in GITOPS.items() if any(key.startswith(prefix) for key in keys)), "")
