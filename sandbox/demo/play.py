"""`python -m sandbox.demo.play CANARY REPORT READY_S LONGEST_ACT_S INSTALL`: play the acts from inside, under load.

It is given the path of the guide's Canary, that of demo.json, how long the cluster took to start, an act's limit, and
by what Serin was installed.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from kube.client import Client
from sandbox.demo import screen
from sandbox.demo.acts import ACTS, GATEWAY
from sandbox.demo.figures import LIMITS, first_promotion_at_s, measure
from sandbox.demo.installs import Install
from sandbox.demo.load import Load
from sandbox.demo.stage import DemoError, Stage

# Both ways to the app: from outside, and from a neighbour in the cluster.
_USERS = (f"{GATEWAY}/", "http://podinfo.test:9898/")
_USERS_PER_SECOND = 50
_AFTERMATH_S = 1.0  # an event that should not come any more would come within so long

Json = dict[str, Any]


async def _play_all(canary: str, longest_act_s: float, stage: Stage) -> tuple[list[Json], list[Json]]:
    """Play until the end, or until an act goes otherwise: those after it would only fail for the same reason.

    Returns what demo.json has of each act, and of each of the users' requests that was lost.
    """
    played: list[Json] = []
    lost: list[Json] = []
    for number, (name, (title, play)) in enumerate(ACTS.items(), start=1):
        screen.heading(f"Act {number} of {len(ACTS)} · {title}")
        stage.begin_act()
        problem = ""
        try:
            async with asyncio.timeout(longest_act_s):
                await play(stage, canary)
        except TimeoutError:
            problem = f"after {longest_act_s:g} s it still waited for {stage.waits_for}"
        except DemoError as error:
            problem = str(error)
        seconds = round(time.monotonic() - stage.act_at_s, 2)
        await asyncio.sleep(_AFTERMATH_S)
        with suppress(DemoError):
            await stage.run("kubectl -n test get canary podinfo")
        screen.result(f"{name}: {problem or f'as in the guide, in {seconds:.1f} s'}", is_good=not problem)
        problems = [problem] if problem else []
        played.append({"name": name, "ok": not problem, "seconds": seconds, "seen": stage.seen(), "problems": problems})
        for failed in stage.of_act("failed"):
            url, _, why = failed.text.partition(" ")
            if url in _USERS:
                lost.append({"act": name, "to": url, "why": why, "at_s": round(failed.at_s - stage.act_at_s, 2)})
        if problem:
            break
    return played, lost


async def _play(canary: str, ready_s: float, longest_act_s: float, install: Install) -> Json:
    """Return what demo.json has."""
    stage = Stage(install)
    loads = [Load(url, per_second=_USERS_PER_SECOND, expected=200, note=stage.note) for url in _USERS]
    async with Client.connect(user_agent="sandbox-demo") as client, asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(stage.watch(client), name="watch")
        async with loads[0].running(), loads[1].running():
            acts, lost = await _play_all(canary, longest_act_s, stage)
        watching.cancel()
    requests = sum(load.answers.total() for load in loads)
    failed = requests - sum(load.answers["200"] for load in loads)
    figures = {"ready_s": ready_s, **measure(stage.moments), "requests": requests, "failed_requests": failed}
    return {"install": install, "acts": acts, "figures": figures, "lost": lost, **_promoted(stage)}


def _promoted(stage: Stage) -> Json:
    """Return when the first canary was promoted, in seconds since the epoch, if one was."""
    at_s = first_promotion_at_s(stage.moments)
    return {} if at_s is None else {"first_promotion_at_s": round(at_s - time.monotonic() + time.time(), 2)}


def main() -> None:
    """Play; exits with 1 when an act ends otherwise than in the guide, or a figure is over its limit."""
    canary, report, ready_s, longest_act_s, install = sys.argv[1:]
    played = asyncio.run(_play(canary, float(ready_s), float(longest_act_s), Install(install)))
    Path(report).write_text(json.dumps(played, indent=2, ensure_ascii=False) + "\n")
    screen.heading("Summary")
    screen.summary(played["acts"], played["figures"])
    is_good = len(played["acts"]) == len(ACTS) and all(act["ok"] for act in played["acts"])
    is_within = all(limit.holds(played["figures"][name]) for name, limit in LIMITS.items())
    raise SystemExit(0 if is_good and is_within else 1)


if __name__ == "__main__":
    main()
