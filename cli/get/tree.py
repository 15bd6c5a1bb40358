"""One canary as a tree: its two sides, with weights, images and pods."""

from collections.abc import Iterator
from dataclasses import dataclass

from canary.run.moments import read_known_time
from cli.get.table import failed_text, phase_text, weight_text
from cli.rollout.ages import ago
from cli.rollout.canary import CanaryView
from cli.rollout.sides import Pod, Side
from cli.rollout.styles import BAD, GOOD, HELD, QUIET, STRONG, phase_style, ready_style
from cli.terminal import Line


@dataclass(frozen=True, slots=True)
class Tree:
    """A canary with its sides; a side is None where its workload is not there, or may not be read."""

    view: CanaryView
    primary: Side | None
    canary: Side | None
    notes: tuple[str, ...] = ()


def lines(tree: Tree, now_s: float) -> Iterator[Line]:
    """Return the tree's lines."""
    view = tree.view
    yield _head(view, now_s)
    if view.ready_reason and view.is_ready is False:
        yield [("  ", ""), (f"{view.ready_reason}: {view.ready_message}", BAD)]
    if view.change is not None and str(view.change):
        yield [("  change ", QUIET), (str(view.change), "")]
    if view.waiting_for and view.is_analysing:
        yield [("  waits for ", QUIET), (", ".join(map(view.waiting_text, view.waiting_for)), HELD)]
    yield from _side("primary", 100 - view.weight, tree.primary, f"{view.target_kind} {view.primary}", now_s)
    yield from _side("canary", view.weight, tree.canary, f"{view.target_kind} {view.target}", now_s, is_last=True)
    for note in tree.notes:
        yield [(f"  {note}", HELD)]


def _head(view: CanaryView, now_s: float) -> Line:
    ready = {True: "Ready", False: "not Ready", None: "Ready unknown"}[view.is_ready]
    reason = f" ({view.ready_reason})" if view.ready_reason else ""
    return [
        (f"{view.namespace}/{view.name}", STRONG),
        ("  ", ""),
        (phase_text(view), phase_style(view)),
        (f"  weight {weight_text(view)}  failed {failed_text(view)}  ", ""),
        (f"{ready}{reason}", ready_style(view)),
        (f"  {ago(view.moved_at_s, now_s)}", QUIET),
    ]


def _side(
    role: str, percent: int, side: Side | None, name: str, now_s: float, *, is_last: bool = False
) -> Iterator[Line]:
    branch, trunk = ("└── ", "    ") if is_last else ("├── ", "│   ")
    head = [(branch, QUIET), (f"{role:<8}", STRONG), (f"{percent:>3}%  ", "")]
    if side is None:
        yield [*head, (f"{name}: not there", QUIET)]
        return
    style = GOOD if side.wanted and side.ready == side.wanted else HELD if side.wanted else QUIET
    yield [
        *head,
        (f"{side.kind} {side.name}  ", ""),
        (f"{side.ready}/{side.wanted}", style),
        (f"  {', '.join(side.images)}  ", ""),
        (f"revision {side.revision}", QUIET),
        (f"  and {side.old_pods} of an older revision" if side.old_pods else "", HELD),
    ]
    for pod in side.pods:
        yield _pod(pod, f"{trunk}{'└── ' if pod is side.pods[-1] else '├── '}", now_s)


def _pod(pod: Pod, branch: str, now_s: float) -> Line:
    restarts = f"  {pod.restarts} {'restart' if pod.restarts == 1 else 'restarts'}" if pod.restarts else ""
    return [
        (branch, QUIET),
        (f"Pod {pod.name}  ", ""),
        (f"{pod.ready}/{pod.containers} {pod.status}", QUIET if pod.is_old else GOOD if pod.is_well else BAD),
        ("  older revision" if pod.is_old else "", HELD),
        (restarts, HELD),
        (f"  {ago(read_known_time(pod.created_at), now_s)}", QUIET),
    ]
