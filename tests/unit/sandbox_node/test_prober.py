"""Thresholds of probes, and the eager first period."""

import asyncio

from sandbox.node.prober import Prober, Threshold
from sandbox.node.probes import Outcome
from tests.support.eventually import eventually
from tests.support.jumping_clock import jumping_clock
from tests.support.patience import AGES_S, PATIENCE_S


def test_a_result_changes_only_after_enough_equal_outcomes() -> None:
    threshold = Threshold(success=2, failure=3)
    outcomes = [True, True, False, False, True, False, False, False, True, True]
    results = [threshold.count(is_good=outcome) for outcome in outcomes]
    assert results == [None, True, None, None, None, None, None, False, None, True]


async def run_prober(outcomes: list[bool | None], *, is_eager: bool, period_s: float) -> tuple[list[bool], list[str]]:
    """Probe until `outcomes` are used up, None being one that is not known; return results and messages.

    An eager one ends with its first success: its second period need not be waited for.
    """
    left = iter(outcomes)
    results: list[bool] = []
    messages: list[str] = []
    done = asyncio.Event()

    async def check(probe: object, timeout_s: float) -> Outcome:
        try:
            outcome = next(left)
            return Outcome(bool(outcome), "bad", is_known=outcome is not None)
        except StopIteration:
            done.set()
            await asyncio.Event().wait()
            raise

    async def on_result(is_good: bool) -> None:  # noqa: FBT001  called by the prober with its only result
        results.append(is_good)

    prober = Prober({"periodSeconds": period_s, "failureThreshold": 2}, check, on_result, messages.append)
    task = asyncio.create_task(prober.run(is_eager=is_eager, until_success=is_eager))
    task.add_done_callback(lambda _: done.set())
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    task.cancel()
    return results, messages


async def test_failures_below_the_threshold_are_told_but_are_no_result() -> None:
    results, messages = await run_prober([True, False, True, False, False], is_eager=False, period_s=0)
    assert results == [True, True, False]
    assert messages == ["bad", "bad", "bad"]


async def test_what_is_not_known_is_told_and_counts_neither_way() -> None:
    results, messages = await run_prober([True, False, None, None, False], is_eager=False, period_s=0)
    assert results == [True, False]
    assert messages == ["bad"] * 4


async def test_an_eager_probe_does_not_count_failures_while_the_process_begins_to_listen() -> None:
    results, messages = await run_prober([False, False, True], is_eager=True, period_s=AGES_S)
    assert (results, messages) == ([True], [])


async def test_an_eager_probe_counts_failures_when_its_first_period_is_over() -> None:
    results: list[bool] = []
    messages: list[str] = []
    with jumping_clock() as clock:

        async def check(probe: object, timeout_s: float) -> Outcome:
            clock.jump()
            return Outcome(is_good=False, message="bad")

        async def on_result(is_good: bool) -> None:  # noqa: FBT001  called by the prober with its only result
            results.append(is_good)

        prober = Prober({"periodSeconds": AGES_S, "failureThreshold": 1}, check, on_result, messages.append)
        task = asyncio.create_task(prober.run(is_eager=True))
        await eventually(lambda: results, bool)
        task.cancel()
    assert (results, messages) == ([False], ["bad"])
