"""A run as lines: weight bar, checks against thresholds, who changed what, what it waits for, what to type next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from canary.api.duration import parse_duration_s
from canary.judgement.finding import Answer
from canary.run.evidence import Shown
from canary.run.judge import Verdict
from canary.run.phase import Phase
from canary.run.request import split_claim
from canary.run.steps import paused_step
from cli.get.table import phase_text
from cli.rollout.ages import ago, span
from cli.rollout.canary import CanaryView, Check
from cli.rollout.outcome import Outcome
from cli.rollout.styles import BAD, BUSY, GOOD, HELD, QUIET, STRONG, phase_style
from cli.terminal import Line

_BAR_CHARS: Final = 40
_LABEL_CHARS: Final = 10
_VERDICTS: Final = {
    Verdict.PASS: ("pass", GOOD),
    Verdict.FAIL: ("FAIL", BAD),
    Verdict.NO_DATA: ("no data", HELD),
    Verdict.ERROR: ("error", HELD),
    Verdict.UNDECIDED: ("waits", HELD),
}
_TRACE_CHARS: Final = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.NO_DATA: "·",
    Verdict.ERROR: "!",
    Verdict.UNDECIDED: "?",
}
_EVIDENCE_CHARS: Final = 21


@dataclass(frozen=True, slots=True)
class Commands:
    """What may be typed next, whole."""

    promote: str
    abort: str
    resume: str
    retry: str
    undo: str
    set_image: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is told beside the canary itself: the revision in question, what became of it, and what else is known.

    `image` is what was asked for, empty where none was. `hint` is what to look at where nothing happens, `trouble` why
    pods of the target are not up. `is_wide`: also what is no news any more.
    """

    revision: str
    outcome: Outcome
    image: str = ""
    hint: str = ""
    trouble: str = ""
    is_wide: bool = False


def lines(view: CanaryView, told: Told, commands: Commands, now_s: float) -> Iterator[Line]:
    """Return the lines."""
    asked = told.revision
    yield [
        (f"Canary {view.namespace}/{view.name}: ", STRONG),
        (phase_text(view), phase_style(view)),
        (f", for {ago(view.run.started_at_s or view.moved_at_s, now_s)}", QUIET),
    ]
    yield _bar(view)
    none = f"none with image {told.image} yet" if told.image else "none yet"
    yield _label("Revision", asked, f" {told.outcome.value}") if asked else _label("Revision", none)
    if reason := end_reason(view, told):
        yield _label("Reason", reason)
    if view.change is not None and str(view.change) and view.change.revision[:16] == asked[:16]:
        yield _label("Change", str(view.change))
    if view.promoted and view.promoted != asked:
        yield _label("Primary", view.promoted)
    if view.is_ready is False:
        yield [(f"{'Not ready':<{_LABEL_CHARS}} ", BAD), (f"{view.ready_reason}: {view.ready_message}", "")]
    yield from _checks(view, now_s, is_wide=told.is_wide)
    if view.request is not None:
        verdict = f"refused; allowed: {view.request.why_refused}" if view.request.why_refused else "carried out"
        by = f" by {view.request.by}" if view.request.by else ""
        yield _label("Request", f"{view.request.text}{by}, {ago(view.request.at_s, now_s)} ago: {verdict}")
    yield from _waits(view, told, now_s)
    if told.hint:
        yield [(f"{'Hint':<{_LABEL_CHARS}} ", HELD), (told.hint, HELD)]
    yield from _next(view, told.outcome, commands)


def end_reason(view: CanaryView, told: Told) -> str:
    """Return why the run in question ended as it did, empty where it has not, or nothing is kept of it."""
    run = view.ended(told.revision) if told.outcome.has_ended else None
    return run.reason if run is not None else ""


def _label(word: str, text: str, quiet: str = "") -> Line:
    return [(f"{word:<{_LABEL_CHARS}} ", QUIET), (text, ""), (quiet, QUIET)]


def _bar(view: CanaryView) -> Line:
    full = round(_BAR_CHARS * view.weight / 100)
    goal = round(_BAR_CHARS * view.most_weight / 100) if view.is_analysing else full
    texts = [f"  {view.weight}% canary, {100 - view.weight}% primary"]
    if view.steps and not view.is_idle:
        texts.append(
            f", step {view.step} of {len(view.steps)}" if view.step else f", before step 1 of {len(view.steps)}"
        )
    elif view.all_iterations:
        texts.append(f", iteration {view.iterations} of {view.all_iterations}")
    elif view.is_analysing:
        texts.append(f", up to {view.most_weight}%")
    if view.mirror_percent:
        texts.append(f", {view.mirror_percent}% mirrored")
    return [
        ("[", QUIET),
        ("█" * full, BUSY),
        ("░" * max(0, goal - full), BUSY),
        ("·" * (_BAR_CHARS - max(goal, full)), QUIET),
        ("]", QUIET),
        ("".join(texts), ""),
    ]


def _checks(view: CanaryView, now_s: float, *, is_wide: bool) -> Iterator[Line]:
    if not view.checks and not view.is_analysing and not view.failed_checks:
        return
    limit = f", rolls back at {view.threshold}" if view.threshold else ""
    yield _label("Checks", f"{view.failed_checks} failed{limit}", f", every {view.interval or '1m'}")
    longest = max((len(check.name) for check in view.checks), default=0)
    values = [_value(check) for check in view.checks]
    widest = max(map(len, values), default=0)
    allowed = max((len(check.threshold) for check in view.checks), default=0)
    for check, value in zip(view.checks, values, strict=True):
        word, style = _VERDICTS[check.samples[-1].verdict] if check.samples else ("not yet", QUIET)
        style = QUIET if check.is_dry_run else style
        yield [
            (f"  {check.name:<{longest}}  ", ""),
            (f"{value:>{widest}}  ", style),
            (f"{check.threshold:<{allowed}}  ", QUIET),
            (f"{word:<7}  ", style),
            ("".join(_TRACE_CHARS[sample.verdict] for sample in check.samples), QUIET),
        ]
        if check.evidence is not None:
            yield from _evidence(check.evidence)
        elif check.reason and not check.is_passing:
            yield [("    ", ""), (check.reason, QUIET if check.is_dry_run else BAD)]
        elif check.reason and is_wide:
            yield [("    ", ""), (f"last halt, {ago(check.halted_at_s, now_s)} ago: {check.reason}", QUIET)]


def _evidence(evidence: Shown) -> Iterator[Line]:
    """Return where a test stands between well and harm, and its numbers."""
    place = round((evidence.bar + 1) / 2 * (_EVIDENCE_CHARS - 1))
    style = {Answer.HARM: BAD, Answer.WELL: GOOD}.get(Answer(evidence.answer), HELD)
    bar = "─" * place + "●" + "─" * (_EVIDENCE_CHARS - 1 - place)
    yield [("    well ", QUIET), (bar, style), (" harm  ", QUIET), (evidence.text, "")]


def _value(check: Check) -> str:
    sample = check.samples[-1] if check.samples else None
    if sample is None or sample.value is None:
        return "-"
    return f"{check.short(sample.value)}{f' {check.unit}' if check.unit else ''}"


def _waits(view: CanaryView, told: Told, now_s: float) -> Iterator[Line]:
    texts = [(_waiting_text(view, one), HELD) for one in view.waiting_for if view.is_analysing]
    if view.queue:
        texts.append((f"its turn: {view.turn_text}, for {ago(view.queue.since_s, now_s)}", HELD))
    if text := pods_text(view, told.trouble, now_s):
        texts.append((text, HELD))
    if view.is_analysing and view.is_paused:
        texts.append(("somebody to resume it: it was paused by request", HELD))
    request, claim = split_claim(view.pending_request)
    # A claim that is in the status is answered; the annotation goes a moment later.
    if request and not (claim and view.request is not None and claim == view.request.claim):
        texts.append((f"the agent to answer {request}", HELD))
    if not texts and view.is_analysing:
        texts = [(text, "") for text in _moments(view, now_s)]
    for place, (text, style) in enumerate(texts):
        yield [(f"{'' if place else 'Waits for':<{_LABEL_CHARS}} ", QUIET), (text, style)]


def pods_text(view: CanaryView, trouble: str, now_s: float) -> str:
    """Return what the canary side's pods are waited for, empty where they are up."""
    if not view.is_analysing or view.unready_at_s is None:
        return ""
    left_s = view.unready_at_s + view.progress_deadline_s - now_s
    return f"pods of {view.target}: {trouble or 'not ready yet'} (rolled back in {span(left_s)})"


def _waiting_text(view: CanaryView, key: str) -> str:
    if number := paused_step(key):
        return f"somebody to resume it: step {number} of {len(view.steps)} pauses it"
    kind, _, name = key.partition("/")
    return f"the gate {name} ({kind})"


def _moments(view: CanaryView, now_s: float) -> Iterator[str]:
    if view.bake_started_at_s is not None and view.bake:
        yield f"the end of its bake in {_left(view.bake_started_at_s, view.bake, now_s)}"
    elif view.steps and 0 < view.step <= len(view.steps) and view.steps[view.step - 1].duration:
        duration = view.steps[view.step - 1].duration
        if view.step_served_at_s is not None:
            yield f"the end of step {view.step} in {_left(view.step_served_at_s, duration, now_s)}"
    if view.next_check_at_s is not None and view.next_check_at_s > now_s:
        yield f"the next check in {span(view.next_check_at_s - now_s)}"


def _left(began_at_s: float, duration: str, now_s: float) -> str:
    try:
        return span(began_at_s + parse_duration_s(duration) - now_s)
    except ValueError:
        return "?"


def _next(view: CanaryView, result: Outcome, commands: Commands) -> Iterator[Line]:
    offers: list[tuple[str, str]] = []
    if view.is_analysing and (view.is_paused or view.paused_step):
        offers.append((commands.resume, "goes on"))
    if view.is_analysing or view.phase == Phase.PROMOTING:
        offers += [(commands.promote, "ends the analysis now")] if view.is_analysing else []
        offers.append((commands.abort, "rolls back now"))
    elif view.queue:
        offers.append((commands.retry, "begins its run now, before its turn"))
    elif view.phase == Phase.FAILED:
        offers.append((commands.retry, "runs the same revision again"))
        offers.append((commands.set_image, "rolls another one out"))
        if view.promoted:
            offers.append((commands.undo, f"gives {view.target_kind} {view.target} what the primary serves"))
    elif result is Outcome.PROMOTED and view.phase == Phase.SUCCEEDED:
        offers.append((commands.undo, "puts the release before it back"))
    width = max((len(command) for command, _ in offers), default=0)
    for place, (command, effect) in enumerate(offers):
        label = "" if place else "Next"
        yield [(f"{label:<{_LABEL_CHARS}} ", QUIET), (f"{command:<{width}}", STRONG), (f"  {effect}", QUIET)]
