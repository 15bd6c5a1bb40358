"""Which revision a request is about, and whether there is anything left to ask. Pure."""

from dataclasses import dataclass

from canary.run.phase import Phase
from canary.run.request import SHORTEST_PREFIX_CHARS, Verb
from canary.run.revision import template_part
from canary.run.steps import paused_step
from cli.rollout.canary import CanaryView

_NOT_TWICE = frozenset({Verb.RETRY, Verb.RESUME})


@dataclass(frozen=True, slots=True)
class Done:
    """There is nothing to ask: it is so already."""

    why: str


def revision_in_question(view: CanaryView, verb: Verb, template: str) -> str:
    """Return the revision that the agent would carry the verb out for; `template` is that of the target, or empty.

    During a run it is the analysed one, else that of the target; a template's is the beginning of a revision.
    """
    is_newer = bool(template) and template != template_part(view.analysed)
    if verb is Verb.PROMOTE and view.phase == Phase.PROMOTING and is_newer:
        return template
    if view.is_analysing or verb is Verb.ABORT or not view.is_idle:
        return view.analysed
    return view.seen if template in {"", template_part(view.seen)} and view.seen else template


def already_so(view: CanaryView, verb: Verb, revision: str) -> Done | None:
    """Return why nothing need be asked, None where something has to be."""
    is_analysed, is_promoted = view.analysed.startswith(revision), view.promoted.startswith(revision)
    is_running = not view.is_idle and is_analysed
    match verb:
        case Verb.PROMOTE if view.is_idle and is_promoted:
            return Done(f"{revision} is promoted already")
        case Verb.ABORT if view.phase == Phase.FAILED and is_analysed:
            return Done(f"the run of {revision} was rolled back already")
        case Verb.PAUSE if view.is_analysing and is_analysed and view.is_paused:
            return Done(f"the run of {revision} is paused already")
        case Verb.RESUME if view.is_analysing and is_analysed and not (view.is_paused or view.paused_step):
            return Done(f"the run of {revision} is not paused")
        case Verb.RETRY if is_running:
            return Done(f"the run of {revision} is under way")
    return None


def request_text(view: CanaryView, verb: Verb, revision: str) -> str:
    """Return the text of the request.

    The agent refuses a retry or resume whose text it carried out last, as it might be kept in Git; so one more is
    written with another number of the revision's characters.
    """
    text = f"{verb}@{revision}"
    is_repeated = verb in _NOT_TWICE and view.request is not None and view.request.text == text
    if not is_repeated or len(revision) <= SHORTEST_PREFIX_CHARS:
        return text
    return text[:-1]


def held_by(view: CanaryView) -> list[str]:
    """Return what a resume would end: what was asked for, and the pause of a step."""
    return [*(["a request"] if view.is_paused else []), *filter(paused_step, view.waiting_for)]
