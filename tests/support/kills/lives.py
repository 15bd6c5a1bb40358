"""Lives of an agent: each ends by SIGKILL, at a moment that nobody chose, and the next one begins at once."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from tests.support.history import History
from tests.support.mortal_agent import MortalAgent, pid_inside

_SHORTEST_S, _LONGEST_S = 0.2, 4.0
_MOST_WRITES = 3
_BETWEEN_EFFECTS_S, _BETWEEN_TICKS_S = 0.06, 1.2

# On another node an agent may have another clock; a third of the lives do.
_SKEWS_S = (0.0, 0.0, 0.0, 0.0, -3600.0, 3600.0)

_ENDS = ("Succeeded", "Failed")

# For a busy machine, on which an agent needs longer to its first write than others live.
_WRITES_WITHIN_S = 60.0
_OVER_WITHIN_S = 600.0


@dataclass(frozen=True)
class Chance:
    """When a life ends: after `seconds` of it, or, with `writes`, so long after so many writes were seen.

    `skew_s`: how far its clock is ahead.

    Lives by the clock end in the boot, or after it in some wait; few would end between two effects, which are some
    10 ms apart. And where a busy machine's boot takes longer than they do, the others see to it that the run goes on.
    """

    seconds: float
    writes: int = 0
    skew_s: float = 0.0


def chances(seed: str) -> Iterator[Chance]:
    """Return the chances of a seed, always the same ones."""
    dice = random.Random(seed)  # noqa: S311  no secret: it has to be repeatable
    while True:
        skew_s = dice.choice(_SKEWS_S)
        if dice.random() < 0.5:
            yield Chance(dice.uniform(_SHORTEST_S, _LONGEST_S), skew_s=skew_s)
        else:
            longest_s = dice.choice([_BETWEEN_EFFECTS_S, _BETWEEN_TICKS_S])
            yield Chance(dice.uniform(0, longest_s), dice.randint(1, _MOST_WRITES), skew_s)


@dataclass(frozen=True)
class Kill:
    """The end of a life. `writes`: how many were seen in it; `phase` is the canary's at its end.

    `skew_s`: how far its clock was ahead.
    """

    lived_s: float
    writes: int
    phase: str
    skew_s: float


def kill_until(
    is_over: Callable[[], bool], agent: MortalAgent, history: History, seed: str, kills: list[Kill], *, log: IO[str]
) -> None:
    """Let the agent live, be killed and live again until it is over; that moment ends the last life too.

    Each kill is noted in `kills` as it happens.
    """
    give_up_at_s = time.monotonic() + _OVER_WITHIN_S
    for chance in chances(seed):
        if is_over():
            break
        assert time.monotonic() < give_up_at_s, (
            f"not over after {_OVER_WITHIN_S:g} s and {len(kills)} lives: {history.phase}, route {history.exposure}"
        )
        # Who ended the run and who finds it over have the same clock: what is older than ten minutes is not told again,
        # and nothing but a clock tells the last news of a run from history (docs/limits.md).
        skew_s = kills[-1].skew_s if kills and history.phase in _ENDS else chance.skew_s
        with agent.running(skew_s=skew_s, log=log) as process:
            pid, began_s, before = pid_inside(process), time.monotonic(), history.writes
            _live(history, chance, before, is_over)
            _kill(process, pid)
            kills.append(Kill(time.monotonic() - began_s, history.writes - before, history.phase, skew_s))


def _live(history: History, chance: Chance, before: int, is_over: Callable[[], bool]) -> None:
    def has_written() -> bool:
        return history.writes >= before + chance.writes

    if chance.writes:
        history.comes_true(lambda: is_over() or has_written(), _WRITES_WITHIN_S)
    history.comes_true(is_over, chance.seconds)


def _kill(process: "subprocess.Popen[str]", pid: int) -> None:
    assert process.poll() is None, f"the agent ended by itself: {process.returncode}"
    os.kill(pid, signal.SIGKILL)
    process.wait()
