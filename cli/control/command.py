"""`serin promote`, `abort`, `pause`, `resume`, `retry` and `skip`."""

from dataclasses import dataclass
from typing import Final

from canary.run.request import RequestResult, Verb
from cli.cluster.access import Access
from cli.cluster.failures import Failed
from cli.control.asking import answer_of, write_request
from cli.control.question import already_so, request_text, revision_in_question
from cli.exit_codes import ExitCode
from cli.get.sides import read_workload
from cli.rollout.canary import CanaryView
from cli.rollout.outcome import Target
from cli.terminal import show
from kube.errors import Forbidden

_DONE: Final = {
    Verb.PROMOTE: "promoting {name}: its analysis is ended, and gates are skipped",
    Verb.ABORT: "rolling {name} back to its primary",
    Verb.PAUSE: "paused {name}: its weight stays, its checks go on and may roll it back",
    Verb.RESUME: "resumed {name}",
    Verb.RETRY: "running {name}'s revision again",
    Verb.SKIP: "skipped: this revision of {name} is not rolled out",
}
_STILL_HELD: Final = "ended the pause of {name} by request; step {step} pauses it still, and takes another resume"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: a verb, and the revision where one was typed."""

    verb: Verb
    revision: str = ""
    waits: bool = True
    timeout_s: float = 30.0


async def ask(access: Access, name: str, wish: Wish) -> ExitCode:
    """Ask something of a run, and print what came of it."""
    view = CanaryView.read(await access.canary(name))
    revision = wish.revision or revision_in_question(view, wish.verb, await _template(access, view))
    if not revision:
        raise Failed(f"canary {name} has no revision yet: its phase is {view.phase_word}", ExitCode.FAULTS)
    done = already_so(view, wish.verb, revision)
    if done is not None:
        show([f"nothing to do: {done.why}"])
        return ExitCode.OK
    # Two people may resume one pause: the second must not end the next one.
    seen = view if wish.verb is Verb.RESUME else None
    asked = await write_request(access, name, request_text(view, wish.verb, revision), seen=seen)
    if not wish.waits:
        show([f"asked: {asked.text}"])
        return ExitCode.OK
    return tell(access, view, wish.verb, await answer_of(access, name, asked, wish.timeout_s))


def tell(access: Access, view: CanaryView, verb: Verb, result: RequestResult) -> ExitCode:
    """Print an answer of the agent's, and what to type next; `view` is the canary as it was before."""
    if result.why_refused:
        raise Failed(f"{result.text} was refused; allowed: {result.why_refused}", ExitCode.FAULTS)
    by = f", by {result.by}" if result.by else ""
    is_still_held = verb is Verb.RESUME and view.is_paused and view.is_held_by_step
    done = _STILL_HELD.format(name=view.name, step=view.step) if is_still_held else _DONE[verb].format(name=view.name)
    show([f"{done} ({result.text}{by})", _next(access, view, Verb.PAUSE if is_still_held else verb)])
    return ExitCode.OK


def _next(access: Access, view: CanaryView, verb: Verb) -> str:
    """Return what to type next: a wait would end at once where the run has ended, or is paused."""
    if verb is Verb.PAUSE:
        return f"let it go on: {access.command('resume', view.name)}"
    if verb in {Verb.ABORT, Verb.SKIP}:
        return f"see what came of it: {access.command('status', view.name)}"
    return f"follow it: {access.command('status', view.name, ' --wait')}"


async def _template(access: Access, view: CanaryView) -> str:
    try:
        target = await read_workload(access, view, view.target)
    except Forbidden:
        return ""
    return Target.read(target).template if target is not None else ""
