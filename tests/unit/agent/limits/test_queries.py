"""Metric servers are asked so much at once and no more, and namespaces take turns: by a scripted clock."""

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from agent.caches import Caches
from agent.limits.queries import NotAsked, Queries
from agent.providers.metrics.checks import MetricChecks
from agent.providers.metrics.sources import Sources
from canary.run.judge import CheckResult, Sample, Verdict
from canary.run.state import State
from kube.client import Client
from tests.support.canaries import canary
from tests.support.scripted_loop import play


class Server:
    """A metric server. `under_way` are the checks that it is asked just now, by namespace."""

    def __init__(self) -> None:
        self.queries = Queries()
        self.under_way = Counter[str]()
        self.most = 0
        self.most_of = Counter[str]()
        self.waited_s: dict[str, list[float]] = {}

    async def ask(self, namespace: str, answers_after_s: float) -> None:
        clock = asyncio.get_running_loop().time
        due_at_s = clock()
        async with self.queries.of(namespace):
            self.waited_s.setdefault(namespace, []).append(clock() - due_at_s)
            self.under_way[namespace] += 1
            self.most = max(self.most, self.under_way.total())
            self.most_of[namespace] = max(self.most_of[namespace], self.under_way[namespace])
            await asyncio.sleep(answers_after_s)
            self.under_way[namespace] -= 1


def test_a_thousand_that_are_due_at_once_are_asked_sixty_four_at_a_time() -> None:
    async def script() -> None:
        server = Server()
        async with asyncio.TaskGroup() as group:
            for number in range(1_000):
                group.create_task(server.ask(f"team-{number % 50}", 0.02))
            await asyncio.sleep(0.01)
            assert server.queries.waiting == 936
        assert server.most == 64
        assert max(wait_s for waits_s in server.waited_s.values() for wait_s in waits_s) < 0.4
        assert server.queries.waiting == 0

    play(script())


def test_a_namespace_with_hundreds_of_slow_checks_holds_up_no_other() -> None:
    async def script() -> None:
        server = Server()
        async with asyncio.TaskGroup() as group:
            for _ in range(100):
                group.create_task(server.ask("slow", 15.0))
            await asyncio.sleep(0.1)
            for number in range(200):
                group.create_task(server.ask(f"team-{number % 20}", 0.02))
        assert server.most_of["slow"] == 32
        assert max(wait_s for name, waits_s in server.waited_s.items() if name != "slow" for wait_s in waits_s) < 0.2

    play(script())


def test_those_that_have_no_answer_for_a_second_leave_their_places_to_others_up_to_a_bound() -> None:
    async def script() -> None:
        server = Server()
        async with asyncio.TaskGroup() as group:
            for number in range(400):
                group.create_task(server.ask(f"team-{number}", 50.0))
            await asyncio.sleep(0.9)
            assert server.under_way.total() == 64
            await asyncio.sleep(1.0)
            assert server.under_way.total() == 128
            await asyncio.sleep(20.0)
            assert server.under_way.total() == 256
        assert server.most == 256

    play(script())


async def checked(checks: MetricChecks) -> CheckResult:
    of = canary()
    assert of.analysis is not None
    return await checks.check(of, State(), of.analysis.metrics[0], 1_000.0)


def slow_checks(monkeypatch: pytest.MonkeyPatch, answers_after_s: float) -> MetricChecks:
    async def sample(*_: Any) -> Sample:
        await asyncio.sleep(answers_after_s)
        return Sample(value=100.0)

    monkeypatch.setattr(MetricChecks, "_sample", sample)
    monkeypatch.setattr("agent.providers.metrics.checks.Queries", lambda: Queries(1, at_most=1))
    client = cast("Client", None)
    return MetricChecks(
        Sources(cast("Any", None), client, Caches(client, ""), metrics_server="http://x", timeout_s=10.0)
    )


def test_the_time_of_a_check_begins_when_it_is_asked_and_waiting_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script() -> None:
        checks = slow_checks(monkeypatch, 40.0)
        results = await asyncio.gather(checked(checks), checked(checks))
        assert [result.verdict for result in results] == [Verdict.PASS, Verdict.PASS]

    play(script())


def test_who_waits_for_more_than_a_minute_has_no_answer_so_that_an_exposed_canarys_deadline_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script() -> None:
        checks = slow_checks(monkeypatch, 45.0)
        waiting = [asyncio.create_task(checked(checks)) for _ in range(3)]
        await asyncio.sleep(1)
        assert checks.waiting == 2
        results = await asyncio.gather(*waiting)
        assert [result.verdict for result in results] == [Verdict.PASS, Verdict.PASS, Verdict.ERROR]
        assert "not asked for 60 s: too many other checks, of test or of all namespaces, wait" in results[2].text
        assert checks.waiting == 0

    play(script())


def test_a_place_that_nobody_gives_back_in_time_is_told() -> None:
    async def script() -> None:
        queries = Queries(1, at_most=1)
        async with queries.of("shop"):
            with pytest.raises(NotAsked, match="not asked for 60 s"):
                async with queries.of("shop"):
                    pass
        async with queries.of("shop"):
            pass

    play(script())
