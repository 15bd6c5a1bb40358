"""A run as lines: weight bar, checks against thresholds, who changed what, what it waits for, what to type next."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from canary.api.duration import parse_duration_s
from canary.run.phase import Phase
from cli.get.table import phase_text
from cli.rollout.ages import ago, span
from cli.rollout.canary import CanaryView, Check, Sample
from cli.rollout.outcome import Outcome
from cli.rollout.styles import BAD, BUSY, GOOD, HELD, QUIET, STRONG, phase_style
from cli.terminal import Line

_BAR_CHARS: Final = 40
_LABEL_CHARS: Final = 10
_PAUSE: Final = "pause"
_VERDICTS: Final = {
    "pass": ("pass", GOOD),
    "fail": ("FAIL", BAD),
    "noData": ("no data", HELD),
    "error": ("error", HELD),
}
_TRACE_CHARS: Final = {"pass": "✓", "fail": "✗", "noData": "·", "error": "!"}


@dataclass(frozen=True, slots=True)
class Commands:
    """What may be typed next, whole."""

    promote: str
    abort: str
    resume: str
    retry: str
    undo: str


def lines(
    view: CanaryView, asked: str, result: Outcome, commands: Commands, now_s: float, hint: str = ""
) -> Iterator[Line]:
    """Return the lines; `asked` is the revision in question, `hint` what to look at where nothing happens."""
    yield [
        (f"Canary {view.namespace}/{view.name}: ", STRONG),
        (phase_text(view), phase_style(view)),
        (f", for {ago(view.run.started_at_s or view.moved_at_s, now_s)}", QUIET),
    ]
    yield _bar(view)
    yield _label("Revision", asked or "none yet", f" {result.value}")
    if view.change is not None and str(view.change) and view.change.revision[:16] == asked[:16]:
        yield _label("Change", str(view.change))
    if view.promoted and view.promoted != asked:
        yield _label("Primary", view.promoted)
    if view.is_ready is False:
        yield [(f"{'Not ready':<{_LABEL_CHARS}} ", BAD), (f"{view.ready_reason}: {view.ready_message}", "")]
    yield from _checks(view)
    if view.request is not None:
        verdict = f"refused; allowed: {view.request.why_refused}" if view.request.why_refused else "carried out"
        by = f" by {view.request.by}" if view.request.by else ""
        yield _label("Request", f"{view.request.text}{by}, {ago(view.request.at_s, now_s)} ago: {verdict}")
    yield from _waits(view, now_s)
    if hint:
        yield [(f"{'Hint':<{_LABEL_CHARS}} ", HELD), (hint, HELD)]
    yield from _next(view, result, commands)


def _label(word: str, text: str, quiet: str = "") -> Line:
    return [(f"{word:<{_LABEL_CHARS}} ", QUIET), (text, ""), (quiet, QUIET)]


def _bar(view: CanaryView) -> Line:
    full = round(_BAR_CHARS * view.weight / 100)
    goal = round(_BAR_CHARS * view.most_weight / 100) if view.is_analysing else full
    texts = [f"  {view.weight}% canary, {100 - view.weight}% primary"]
    if view.steps:
        texts.append(f", step {view.step} of {len(view.steps)}")
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


def _checks(view: CanaryView) -> Iterator[Line]:
    if not view.checks and not view.is_analysing and not view.failed_checks:
        return
    limit = f", rolls back at {view.threshold}" if view.threshold else ""
    yield _label("Checks", f"{view.failed_checks} failed{limit}", f", every {view.interval or '1m'}")
    longest = max((len(check.name) for check in view.checks), default=0)
    values = [_value(check) for check in view.checks]
    widest = max(map(len, values), default=0)
    allowed = max((len(check.threshold) for check in view.checks), default=0)
    for check, value in zip(view.checks, values, strict=True):
        word, style = _VERDICTS.get(check.samples[-1].verdict if check.samples else "", ("not yet", QUIET))
        yield [
            (f"  {check.name:<{longest}}  ", ""),
            (f"{value:>{widest}}  ", style),
            (f"{check.threshold:<{allowed}}  ", QUIET),
            (f"{word:<7}  ", style),
            ("".join(_TRACE_CHARS.get(sample.verdict, "?") for sample in check.samples), QUIET),
        ]
        if check.reason:
            yield [("    ", ""), (check.reason, BAD)]


def _value(check: Check) -> str:
    sample: Sample | None = check.samples[-1] if check.samples else None
    if sample is None or sample.value is None:
        return "-"
    return f"{sample.value:.6g}{f' {check.unit}' if check.unit else ''}"


def _waits(view: CanaryView, now_s: float) -> Iterator[Line]:
    texts = [(_waiting_text(view, one), HELD) for one in view.waiting_for if view.is_analysing]
    if view.is_analysing and view.is_paused:
        texts.append(("somebody to resume it: it was paused by request", HELD))
    if view.pending_request:
        texts.append((f"the agent to answer {view.pending_request.partition('#')[0]}", HELD))
    if not texts and view.is_analysing:
        texts = [(text, "") for text in _moments(view, now_s)]
    for place, (text, style) in enumerate(texts):
        yield [(f"{'' if place else 'Waits for':<{_LABEL_CHARS}} ", QUIET), (text, style)]


def _waiting_text(view: CanaryView, key: str) -> str:
    kind, _, name = key.partition("/")
    if kind == _PAUSE:
        return f"somebody to resume it: step {name} of {len(view.steps)} pauses it"
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
    if view.is_analysing and (view.is_paused or any(one.startswith(f"{_PAUSE}/") for one in view.waiting_for)):
        offers.append((commands.resume, "goes on"))
    if view.is_analysing or view.phase == Phase.PROMOTING:
        offers += [(commands.promote, "ends the analysis now")] if view.is_analysing else []
        offers.append((commands.abort, "rolls back now"))
    elif view.phase == Phase.FAILED:
        offers.append((commands.retry, "runs the same revision again"))
    elif result is Outcome.PROMOTED and view.phase == Phase.SUCCEEDED:
        offers.append((commands.undo, "puts the release before it back"))
    width = max((len(command) for command, _ in offers), default=0)
    for place, (command, effect) in enumerate(offers):
        label = "" if place else "Next"
        yield [(f"{label:<{_LABEL_CHARS}} ", QUIET), (f"{command:<{width}}", STRONG), (f"  {effect}", QUIET)]
