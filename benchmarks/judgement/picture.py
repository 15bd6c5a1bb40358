"""The picture of docs/concepts/judging.md: how the evidence of some releases goes, as they are played."""

from random import Random
from typing import Final

from benchmarks.judgement.cells import PLANS
from benchmarks.judgement.envoy import World
from benchmarks.judgement.judges import ByEvidence
from benchmarks.judgement.prometheus import Prometheus
from benchmarks.judgement.release import TICK_S, Outcome, play
from canary.judgement.counts import Deltas
from canary.judgement.finding import Answer
from canary.judgement.observe import observe
from canary.judgement.scrapes import HISTORY_S

_REQUESTS_PER_S: Final = 20
_KINDS: Final = ((0.002, "good"), (0.008, "near"), (0.05, "bad"))
_EACH: Final = 5
_SHOWN_S: Final = 240.0
_ALL_PERCENT: Final = 100

_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 600, 50, 340

_STYLE: Final = """
    text { fill: #1f2328; }
    .small { font-size: 13px; fill: #57606a; }
    .back { fill: #ffffff; }
    .axis { stroke: #57606a; stroke-width: 1; fill: none; }
    .edge { stroke: #57606a; stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
    .good { stroke: #1a7f37; fill: #1a7f37; }
    .near { stroke: #9a6700; fill: #9a6700; }
    .bad { stroke: #cf222e; fill: #cf222e; }
    .line { stroke-width: 1.7; fill: none; }
    .word { stroke: none; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .small { fill: #9da7b1; }
      .back { fill: #0d1117; }
      .axis, .edge { stroke: #8b949e; }
      .good { stroke: #3fb950; fill: #3fb950; }
      .near { stroke: #d29922; fill: #d29922; }
      .bad { stroke: #f85149; fill: #f85149; }
      .line { fill: none; }
    }"""


class _Drawn(ByEvidence):
    """Notes at each look how far the evidence is on its way to a rollback or a promotion, whatever the next step is."""

    def __init__(self, since_s: float) -> None:
        super().__init__(PLANS["evidence"], since_s, TICK_S)
        self._began_s = since_s
        self.points = [(0.0, 0.0)]

    def look(self, prometheus: Prometheus, now_s: float, next_percent: int) -> Answer:
        """Look as the product does."""
        answer = super().look(prometheus, now_s, next_percent)
        _, finding = observe(PLANS["evidence"], self.state, Deltas(), _ALL_PERCENT, now_s)
        self.points.append((now_s - self._began_s, finding.bar))
        return answer


def draw() -> str:
    """Return the SVG."""
    lines = [line for rate, kind in _KINDS for number in range(_EACH) for line in _line(rate, kind, number)]
    return "\n".join([_HEAD, *_frame(), *lines, *_legend(), "</svg>", ""])


def _line(rate: float, kind: str, number: int) -> list[str]:
    world = World(requests_per_s=_REQUESTS_PER_S, canary_fails=rate)
    chance = Random(f"picture {kind} {number}")  # noqa: S311  it has to be repeatable
    ended, drawn = play(world, _Drawn, chance, history_s=HISTORY_S)
    assert isinstance(drawn, _Drawn)
    shown = [(_x(at_s), _y(bar)) for at_s, bar in drawn.points if at_s <= _SHOWN_S]
    path = f'<path class="line {kind}" d="M{" L".join(f"{x:.0f} {y:.1f}" for x, y in shown)}"/>'
    if ended.took_s > _SHOWN_S or ended.outcome is Outcome.UNDECIDED:
        return [f"  {path}"]
    x, y = shown[-1]
    return [f"  {path}", f'  <circle class="{kind}" cx="{x:.0f}" cy="{y:.1f}" r="4"/>']


def _x(at_s: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * at_s / _SHOWN_S


def _y(bar: float) -> float:
    return (_TOP + _BOTTOM) / 2 - (_BOTTOM - _TOP) / 2 * bar


def _frame() -> list[str]:
    minutes = [
        f'  <text class="small" x="{_x(60 * minute):.0f}" y="{_BOTTOM + 24}" text-anchor="middle">{minute} min</text>'
        for minute in range(int(_SHOWN_S / 60) + 1)
    ]
    return [
        f'  <path class="edge" d="M{_LEFT} {_TOP}H{_RIGHT}M{_LEFT} {_BOTTOM}H{_RIGHT}"/>',
        f'  <path class="axis" d="M{_LEFT} {_TOP}V{_BOTTOM}M{_LEFT} {_y(0):.0f}H{_RIGHT}"/>',
        f'  <text x="{_LEFT}" y="{_TOP - 14}">rolled back: e-value 100 against "it fails 1 % at most"</text>',
        f'  <text x="{_LEFT}" y="{_BOTTOM + 52}">well: e-value 20 against "it fails 2 % or more"</text>',
        f'  <text class="small" x="{_LEFT - 8}" y="{_y(0) + 4:.0f}" text-anchor="end">nothing</text>',
        f'  <text class="small" x="{_LEFT - 8}" y="{_y(0) + 20:.0f}" text-anchor="end">known</text>',
        *minutes,
    ]


def _legend() -> list[str]:
    """Return what the colours mean, beside the lines."""
    top = _TOP + 120
    kinds = [
        f'  <text class="{kind} word" x="{_RIGHT + 16}" y="{top + 26 * number}">fails {100 * rate:g} %</text>'
        for number, (rate, kind) in enumerate(_KINDS)
    ]
    traffic = f"at {_REQUESTS_PER_S} requests/s"
    return [*kinds, f'  <text class="small" x="{_RIGHT + 16}" y="{top + 26 * len(kinds)}">{traffic}</text>']


_HEAD: Final = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="title description"
  font-family="system-ui, sans-serif" font-size="15">
  <title id="title">How the evidence of fifteen releases goes</title>
  <desc id="description">Time goes to the right, in minutes. A line begins in the middle, where nothing is known. Lines
    of releases that fail 5 percent rise to the upper edge, most within two minutes, and are rolled back. Those that
    fail 0.2 or 0.8 percent fall to the lower edge, and end where they are promoted; 0.8 percent takes longer.</desc>
  <style>{_STYLE}
  </style>
  <rect class="back" width="{_WIDTH}" height="{_HEIGHT}"/>"""
