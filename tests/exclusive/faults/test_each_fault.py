"""Each fault for a minute, under a steady load and with a run under way: `make faults`.

The run ends by its checks alone, each of its moves is told once, and no request is lost that the fault itself is not.
Faults that concern one canary's agents alone are played side by side, each with agents and users of its own. The
figures are in build/faults.json. SERIN_FAULTS_S is how long a fault lasts.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import new_namespace
from tests.support.cluster import REPOSITORY, Cluster
from tests.support.faults.cases import CASES, Case
from tests.support.faults.scene import AGENTS, scene
from tests.support.mortal_agent import without_installed_agent

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]

LASTS_S = float(os.environ.get("SERIN_FAULTS_S", "60"))
AT_ONCE = int(os.environ.get("SERIN_FAULTS_AT_ONCE", "3"))
FIGURES = REPOSITORY / "build" / "faults.json"

LOGS = ("full disk", "nobody reads")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Player:
    """Plays cases on a cluster."""

    cluster: Cluster
    folder: Path

    def play(self, case: Case) -> Figures:
        """Play a case; return its figures. Raises AssertionError where something is not as it must be."""
        folder = self.folder / case.name.replace(" ", "-")
        folder.mkdir()
        namespace = f"test-{secrets.token_hex(4)}"
        lasts_s = case.lasts_s or LASTS_S
        with new_namespace(self.cluster.kubeconfig, namespace), scene(self.cluster, namespace, folder) as at:
            hook = {"name": "load", "type": "rollout", "url": f"http://127.0.0.1:{at.proxies.ports['hooks']}/echo"}
            at.begin({"webhooks": [hook]})
            with at.loaded():
                began_at_s = time.monotonic()
                at.run()
                before = at.weight()
                case.fault(at, lasts_s)
                ended_at_s, after = time.monotonic(), at.weight()
                at.promoted()
                took_s = time.monotonic() - began_at_s
            assert all(agent.is_alive() for agent in at.agents.values())
            made = {name: at.proxies.switch(name)["made"] for name in (*AGENTS, "metrics", "hooks")}
        return (
            at.check_users(case.injected)
            | at.figures
            | {
                "lasted_s": lasts_s,
                "run_s": round(took_s, 1),
                "after_s": round(took_s - (ended_at_s - began_at_s), 1),
                "weight": [before, after],
                "made": {name: counts for name, counts in made.items() if counts},
            }
        )

    def play_log(self, log: str) -> Figures:
        """Play a run of an agent whose log nobody takes."""
        folder = self.folder / log.replace(" ", "-")
        folder.mkdir()
        path, reading, namespace = Path("/dev/full"), -1, f"test-{secrets.token_hex(4)}"
        if log == "nobody reads":
            path = folder / "log"
            os.mkfifo(path)
            reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with (
            new_namespace(self.cluster.kubeconfig, namespace),
            scene(self.cluster, namespace, folder, agents=("a",), logs={"a": path}, log_level="debug") as at,
        ):
            at.begin()
            with at.loaded():
                at.run()
                at.promoted()
            assert at.agents["a"].is_alive()
        if reading >= 0:
            os.close(reading)
        return dict(at.check_users())


@pytest.fixture(scope="module")
def outcomes(
    cluster: Cluster, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, "Future[Figures]"]]:
    """Play all that is selected; the tests wait for theirs. Those that are alone come last."""
    selected = {item.name for item in request.session.items}
    chosen = [case for case in CASES if any(name.endswith(f"[{case.name}]") for name in selected)]
    logs = [log for log in LOGS if any(name.endswith(f"[{log}]") for name in selected)]
    player = Player(cluster, tmp_path_factory.mktemp("faults"))
    futures: dict[str, Future[Figures]] = {}

    def play_after(case: Case, before: list["Future[Figures]"]) -> Figures:
        wait(before)
        return player.play(case)

    with without_installed_agent(cluster), ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault") as pool:
        for log in logs:
            futures[log] = pool.submit(player.play_log, log)
        for case in sorted(chosen, key=lambda case: case.is_alone):
            # The pool begins them in this order: whoever is before one of them is under way, or over.
            before = list(futures.values())
            futures[case.name] = (
                pool.submit(play_after, case, before) if case.is_alone else pool.submit(player.play, case)
            )
        yield futures
        pool.shutdown(cancel_futures=True)


def keep(name: str, figures: Figures) -> None:
    """Write the figures of a case beside those of others."""
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(found | {name: figures}, indent=1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_run_ends_by_its_checks_whatever_fails_for_a_minute(
    case: Case, outcomes: Mapping[str, "Future[Figures]"]
) -> None:
    keep(case.name, outcomes[case.name].result())


@pytest.mark.parametrize("log", LOGS)
def test_a_log_that_nobody_takes_holds_up_no_run(log: str, outcomes: Mapping[str, "Future[Figures]"]) -> None:
    keep(f"log: {log}", outcomes[log].result())
