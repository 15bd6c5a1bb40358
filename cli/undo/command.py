"""`serin undo`: find the release before, show what changes, ask, put it back."""

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from typing import Final

from canary.api.duration import format_duration
from canary.api.shown import shown
from canary.run.changes import describe_changes
from canary.run.phase import Phase
from canary.run.request import RequestResult, Verb
from canary.run.revision import config_part, plain_template, revision_of, template_part
from cli.cluster.access import Access
from cli.cluster.failures import Failed
from cli.cluster.options import is_interactive
from cli.cluster.resources import CANARIES, TARGETS
from cli.cluster.watching import Query, watching
from cli.control.asking import answer_of, write_request
from cli.control.question import request_text
from cli.exit_codes import ExitCode
from cli.get.sides import read_workload
from cli.rollout.canary import CanaryView
from cli.rollout.sides import selector_of
from cli.rollout.styles import HELD, QUIET, STRONG
from cli.terminal import Line, show
from cli.undo.releases import (
    Kept,
    NoRelease,
    Release,
    find_release,
    is_known,
    kept_of,
    put_into,
    revision_in,
    turned_back,
    wanted_revision,
    warnings,
)
from kube.errors import PreconditionFailed
from kube.resource import CONTROLLER_REVISIONS, REPLICASETS, Object

_ATTEMPTS: Final = 5
_ASK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Undo:
    """What is asked: the release before, or that of a revision; `now` without its analysis."""

    to_revision: str = ""
    now: bool = False
    is_confirmed: bool = False
    timeout_s: float = 60.0


async def undo(access: Access, name: str, wish: Undo) -> ExitCode:
    """Put a release back, after asking whether it is the right one."""
    view = CanaryView.read(await access.canary(name))
    if not view.is_analysing and not view.is_idle:
        raise Failed(_why_not_now(access, view), ExitCode.FAULTS)
    target = await read_workload(access, view, view.target)
    if target is None:
        raise Failed(f"{view.target_kind} {view.namespace}/{view.target} is not there", ExitCode.FAULTS)
    present = revision_of(target["spec"]["template"])
    if not wish.to_revision:
        _refuse_in_the_way(access, view, present)
    try:
        release, wanted = await _find(access, view, target, wish.to_revision)
    except NoRelease as error:
        raise Failed(f"{error}; `{access.command('history', name)}` shows the last runs", ExitCode.FAULTS) from error
    is_there = present == template_part(release.revision)
    if is_there and (done := _already_so(access, view, wanted, release, wish)):
        show([f"nothing to do: {done}"])
        return ExitCode.OK
    show(_told(view, wanted, release, target))
    _confirm(wish, has_run=template_part(view.promoted) != template_part(release.revision))
    if not is_there:
        await _put_back(access, view, release, present)
    return await _run_it(access, view, release, wish)


def _refuse_in_the_way(access: Access, view: CanaryView, present: str) -> None:
    """Refuse where a run is on that putting a template back would not end.

    Raises:
        Failed: of a run of the promoted template with another configuration.
    """
    if view.is_idle or not view.promoted or present != template_part(view.promoted):
        return
    line = f"a run of {view.analysed} is under way, and the release before it is {view.promoted}"
    abort = access.command("abort", view.name)
    raise Failed(f"{line}: `{abort}` rolls it back; --to-revision puts another release back", ExitCode.FAULTS)


def _already_so(access: Access, view: CanaryView, wanted: str, release: Release, wish: Undo) -> str:
    """Return why nothing has to be done where the target has the release, empty where something has."""
    part = template_part(release.revision)
    if template_part(view.promoted) == part:
        return f"the primary and {view.target_kind} {view.target} have {wanted} already"
    if wish.now or (view.is_idle and template_part(view.analysed) == part):
        return ""
    word = "begins" if template_part(view.analysed) != part else "is under way"
    follow = access.command("status", view.name, " --wait")
    return f"{view.target_kind} {view.target} has {wanted} already, and its run {word}; follow it: {follow}"


def _why_not_now(access: Access, view: CanaryView) -> str:
    """Return what to do where the primary may no longer have what the status calls promoted."""
    line = f"{view.analysed or view.name} is in phase {view.phase_word}"
    then = f"wait for its end: {access.command('status', view.name, ' --wait')}"
    if view.phase == Phase.PROMOTING:
        return f"{line}, and the primary is getting it: `{access.command('abort', view.name)}` rolls it back; or {then}"
    return f"{line}: {then}"


async def _find(access: Access, view: CanaryView, target: Object, to_revision: str) -> tuple[Release, str]:
    """Return the release, and the revision that was meant."""
    primary = await read_workload(access, view, view.primary)
    of_target = await _kept(access, target)
    of_primary = await _kept(access, primary) if primary is not None else []
    wanted = wanted_revision(view, of_primary, revision_of(target["spec"]["template"]), to_revision)
    back = [] if primary is None else turned_back(of_primary, primary, target, view.name)
    try:
        return find_release(wanted, of_target, back), wanted
    except NoRelease:
        if is_known(view, wanted):
            raise
        raise NoRelease(f"found no revision {wanted}: no run of it is known, and nobody keeps its template") from None


async def _kept(access: Access, workload: Object) -> list[Kept]:
    metadata = workload["metadata"]
    resource = CONTROLLER_REVISIONS if workload["kind"] == "DaemonSet" else REPLICASETS
    found = await access.client.list(resource, metadata["namespace"], label_selector=selector_of(workload))
    return kept_of(found, metadata["uid"])


def _told(view: CanaryView, wanted: str, release: Release, target: Object) -> list[Line]:
    run = next((one for one in view.history if one.revision.startswith(wanted) and one.change), None)
    before = plain_template(target["spec"]["template"])
    present = revision_in(view, revision_of(before))
    lines: list[Line] = [
        [(f"Canary {view.namespace}/{view.name}: ", STRONG), (f"{present} -> {release.revision}", "")],
        [("Changes  ", QUIET), (shown(describe_changes(before, plain_template(release.template))) or "nothing", "")],
    ]
    if run is not None:
        by = f", applied by {run.by}" if run.by else ""
        lines.append([("It was   ", QUIET), (f"{run.change}{by}", "")])
    return [*lines, *([("Note     ", QUIET), (text, HELD)] for text in warnings(view, wanted, target))]


def _confirm(wish: Undo, *, has_run: bool) -> None:
    if wish.is_confirmed:
        return
    if not is_interactive():
        raise Failed("nobody can be asked here; allowed: -y, where it is meant", ExitCode.USAGE)
    how = " at once, without its analysis" if wish.now else " by an ordinary run"
    sys.stdout.write(f"Put it back{how if has_run else ''}? [y/N] ")
    sys.stdout.flush()
    if _read_line().strip().casefold() not in {"y", "yes"}:
        raise Failed("not confirmed, nothing was changed", ExitCode.FAULTS)


def _read_line() -> str:
    """Read a line; Ctrl-C ends the command at once, where the event loop would only note it while this blocks."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline()
    finally:
        signal.signal(signal.SIGINT, before)


async def _put_back(access: Access, view: CanaryView, release: Release, told: str) -> None:
    """Write the template into the target, unless somebody changed that since its revision was told."""
    for is_last in (*[False] * (_ATTEMPTS - 1), True):
        target = await read_workload(access, view, view.target)
        if target is None:
            raise Failed(f"{view.target_kind} {view.namespace}/{view.target} is not there any more", ExitCode.FAULTS)
        if revision_of(target["spec"]["template"]) != told:
            raise Failed(f"somebody changed {view.target_kind} {view.target} meanwhile; look again", ExitCode.FAULTS)
        operations = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": target["metadata"]["resourceVersion"]},
            {"op": "replace", "path": "/spec/template", "value": put_into(target, release)},
        ]
        try:
            await access.client.json_patch(
                TARGETS[view.target_kind], view.target, view.namespace, operations, field_manager="serin-cli"
            )
        except PreconditionFailed:
            if is_last:
                raise
            continue
        return


async def _run_it(access: Access, view: CanaryView, release: Release, wish: Undo) -> ExitCode:
    """See to it that the release's run begins, and where it is wanted is promoted at once."""
    name = view.name
    part = template_part(release.revision)
    follow = access.command("status", name, " --wait")
    if template_part(view.promoted) == part:
        show([f"put {release.revision} back: {_without_run(view)}"])
        return ExitCode.OK
    if template_part(view.analysed) == part and view.is_idle:
        # It was rolled back or skipped: such a revision gets no other run by itself.
        await _ask(access, view, Verb.RETRY, part, wish.timeout_s)
    if not wish.now:
        show([f"put {release.revision} back: its run begins; follow it: {follow}"])
        return ExitCode.OK
    revision = await _wait_for_run(access, view, part, wish.timeout_s)
    if revision:
        await _ask(access, view, Verb.PROMOTE, revision, wish.timeout_s)
    show([f"put {release.revision} back: it is promoted without an analysis; follow it: {follow}"])
    return ExitCode.OK


def _without_run(view: CanaryView) -> str:
    """Return what comes of a target that has the promoted template again."""
    if config_part(view.seen) != config_part(view.promoted):
        return "the primary has its template already, and older ConfigMaps or Secrets: they get a run"
    if view.is_idle:
        return "the primary has it already, so there is no run"
    return f"the primary has it already, so the run of {view.analysed} ends, and all traffic goes there"


async def _ask(access: Access, view: CanaryView, verb: Verb, revision: str, timeout_s: float) -> RequestResult:
    """Ask until the agent, which may not have seen the target's change yet, carries it out."""
    give_up_at_s = time.monotonic() + timeout_s
    while True:
        asked = await write_request(access, view.name, request_text(view, verb, revision))
        result = await answer_of(access, view.name, asked, timeout_s)
        if not result.why_refused:
            return result
        if time.monotonic() > give_up_at_s:
            raise Failed(f"{result.text} was refused; allowed: {result.why_refused}", ExitCode.FAULTS)
        await asyncio.sleep(_ASK_AGAIN_S)


async def _wait_for_run(access: Access, view: CanaryView, part: str, timeout_s: float) -> str:
    """Return the revision once its run has begun; empty where it has been promoted already.

    Raises:
        Failed: it has not begun in time.
    """
    now = view
    try:
        async with asyncio.timeout(timeout_s):
            async with watching(access.client, Query(CANARIES, view.namespace, name=view.name)) as watched:
                async for _ in watched.changes():
                    now = CanaryView.read(next(iter(watched.items(0)), {}))
                    if template_part(now.analysed) != part:
                        continue
                    if now.is_analysing:
                        return now.analysed
                    if template_part(now.promoted) == part and now.analysed != view.analysed:
                        return ""
    except TimeoutError:
        pass
    why = f": {now.ready_reason}: {now.ready_message}" if now.is_ready is False else ""
    line = f"the run of {part} has not begun within {format_duration(timeout_s)}{why}"
    raise Failed(f"{line}; the target has it, so it may still begin", ExitCode.TIMED_OUT)
