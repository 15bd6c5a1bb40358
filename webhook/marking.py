"""Marks the revision of a canary's target as it is applied: which one it is, what changed, who applied it.

The mark is a function of the object, the stored object and the user, so a dry run, a retry and a second pass after
another mutating webhook give the same patch.
"""

from typing import Final

from canary.rules.target import TARGET_KINDS
from canary.run.changes import describe_changes
from canary.run.mark import Mark
from canary.run.phase import ANALYSING, IDLE, Phase
from canary.run.revision import content_hash, plain_template, template_part
from kube.resource import Object
from render.json_patch import put_entries
from webhook.canary_index import CanaryEntry
from webhook.context import AdmissionContext
from webhook.review import ALLOWED, WARNING_CHARS, Answer, Request

_LEAST_SHOWN: Final = 20
"""Characters of what changed: fewer say nothing."""

_ENDING: Final = frozenset({Phase.PROMOTING, Phase.FINALISING})
_STARTING_A_RUN: Final = IDLE | ANALYSING | _ENDING


def mark_workload(request: Request, context: AdmissionContext) -> Answer:
    """Answer for a Deployment or DaemonSet: the patch that makes its mark right; a warning when a run will follow."""
    if request.kind.kind not in TARGET_KINDS or request.subresource or request.operation not in {"CREATE", "UPDATE"}:
        return ALLOWED
    if request.username == context.agent:
        return ALLOWED
    name = request.name or request.object["metadata"].get("name", "")
    canaries = [canary for canary in context.canaries.of(request.namespace, request.kind.kind, name) if canary.is_ours]
    if not canaries:
        return ALLOWED
    template = _template(request.object)
    revision = content_hash(template)
    if request.operation == "CREATE":
        return _marked(request, Mark(revision, by=request.username))
    old_template = _template(request.old_object)
    if template == old_template:
        return _marked(request, _kept_mark(request, revision))
    mark = Mark(revision, describe_changes(old_template, template) or "spec.template changed", request.username)
    return _marked(request, mark, *filter(None, (_warning(canary, mark) for canary in canaries)))


def _kept_mark(request: Request, revision: str) -> Mark | None:
    """Return the mark of a template that stays as it is; None where nothing needs to be there.

    Who leaves it as it is neither gets the mark of the one who changed it, nor removes or forges it.
    """
    old = Mark.read(_annotations(request.old_object))
    if old is not None and old.revision == revision:
        return old
    # Nobody knows who made this template: it was applied before the canary was, or while the webhook was away.
    is_forged = Mark.read(_annotations(request.object)) not in {None, old}
    return Mark(revision) if is_forged else None


def _marked(request: Request, mark: Mark | None, *warnings: str) -> Answer:
    if mark is None:
        return ALLOWED
    patch = put_entries(request.object, ("metadata", "annotations"), mark.annotations())
    return Answer(tuple(patch), warnings)


def _warning(canary: CanaryEntry, mark: Mark) -> str:
    """Return what the canary will do with the new revision; nothing where it will not run it, or has yet to begin.

    What changed is shortened to the room that the rest leaves: how to follow the run must not be cut off.
    """
    if canary.is_suspended or canary.phase not in _STARTING_A_RUN:
        return ""
    does = _what_it_does(canary, mark.revision)
    if not does:
        return ""
    begin = f"Canary {canary} {does}: revision {mark.revision}"
    end = f". Follow it: kubectl -n {canary.namespace} get canary {canary.name} -w"
    room = WARNING_CHARS - len(f"{begin} (){end}")
    if len(mark.changed) <= room:
        return f"{begin} ({mark.changed}){end}"
    return f"{begin} ({mark.changed[: room - 3]}...){end}" if room >= _LEAST_SHOWN else f"{begin}{end}"


def _what_it_does(canary: CanaryEntry, revision: str) -> str:
    """Return it in a few words; nothing where the revision is one that the agent would not run.

    A part of a revision may be of configurations, which are not looked at here: the agent has the last word.
    """
    if canary.phase in ANALYSING:
        is_back = revision == template_part(canary.promoted)
        return "ends its run, back at the promoted revision" if is_back else "starts its analysis again"
    if canary.phase in IDLE and revision in {template_part(canary.promoted), template_part(canary.analysed)}:
        return ""
    if canary.phase in _ENDING:
        return "starts a run once its present run has ended"
    return "starts a run"


def _template(obj: Object) -> Object:
    """Return the pod template as far as it counts for the revision, which is its hash."""
    template = obj["spec"]["template"]
    if not isinstance(template, dict):
        raise TypeError(f"spec.template: found {template!r}; allowed: an object")
    return plain_template(template)


def _annotations(obj: Object) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}
