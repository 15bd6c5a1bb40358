"""The guide's acts: what the user types, and what must come of it. One more act is one more entry of ACTS."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from sandbox.demo.guide_lines import (
    DURATION,
    FAILED,
    FAULTS,
    INITIALIZED,
    NOT_FOUND,
    OBJECTS,
    PROMOTED,
    SUCCESS_RATE,
    UPSTREAMS,
    Fault,
    bootstrap,
    made,
    promotion,
    restart,
    rollback,
    split,
)
from sandbox.demo.pace import Pace
from sandbox.demo.sequence import Times
from sandbox.demo.stage import REFUSED, TOLD, Stage
from sandbox.demo.verdict import Expected

# In mid-run: the canary has a fifth of the traffic, and is to get more.
_MIDWAY_PERCENT = 20


@dataclass(frozen=True)
class Act:
    """`play` does what the user does and returns when it has ended; `expected` is what the guide shows."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    expected: Callable[[Pace], Expected]


@dataclass(frozen=True)
class Breakage:
    """A revision `tag` beside the `promoted` one, and the requests for `path` that make its checks fail.

    They begin when the canary has `from_percent` of the traffic. `is_edited`: the guide's custom metric is added first.
    """

    tag: str
    path: str
    answered: int
    fault: Fault
    promoted: str
    from_percent: int = _MIDWAY_PERCENT
    is_edited: bool = False


async def _play_bootstrap(stage: Stage) -> None:
    await stage.kubectl("create ns test")
    await stage.kubectl("-n test apply -k manifests/examples/podinfo")
    await stage.kubectl("-n test apply -k manifests/loadtester")
    await stage.kubectl("apply -f manifests/examples/podinfo-virtualservice.yaml")
    await stage.kubectl(f"apply -f {stage.manifests.canary}")
    await stage.until_end()
    await stage.until_event(INITIALIZED.text)
    await stage.until_available("flagger-loadtester")


def _expect_bootstrap(_: Pace) -> Expected:
    return Expected(
        events=bootstrap(),
        weights=made(0),
        end=_end("Initialized", tag="3.1.0"),
        objects=(*OBJECTS.values(), *UPSTREAMS),
    )


async def _play_promotion(stage: Stage) -> None:
    await stage.set_image("3.1.1")
    await stage.until_end()
    await stage.until_event(PROMOTED.text)


def _expect_promotion(pace: Pace, *, tag: str = "3.1.1", agent_restarts: int = 0) -> Expected:
    return Expected(
        events=promotion(pace.weights_percent),
        weights=made(*pace.weights_percent, 0),
        end=_end("Succeeded", tag=tag, agent_restarts=agent_restarts) | {"set image": TOLD},
    )


async def _play_restart(stage: Stage) -> None:
    await stage.set_image("3.1.2")
    await stage.until_weight(_MIDWAY_PERCENT)
    await stage.set_image("3.1.3")
    await stage.until_end()
    await stage.until_event(PROMOTED.text)


def _expect_restart(pace: Pace) -> Expected:
    sure, maybe = split(pace.weights_percent, _MIDWAY_PERCENT)
    return Expected(
        events=restart(pace.weights_percent, _MIDWAY_PERCENT),
        weights=(*made(*sure), *made(*maybe, times=Times.MAYBE), *made(0, *pace.weights_percent, 0)),
        end=_end("Succeeded", tag="3.1.3") | {"set image": TOLD},
    )


async def _play_rollback(stage: Stage, breakage: Breakage) -> None:
    if breakage.is_edited:
        await stage.kubectl("apply -f manifests/examples/not-found-percentage.yaml")
        await stage.kubectl(f"apply -f {stage.manifests.edited}")
    await stage.set_image(breakage.tag)
    await stage.until_weight(breakage.from_percent)
    async with stage.requesting(breakage.path, answered=breakage.answered):
        await stage.until_end()
        await stage.until_event(FAILED.text)
    await stage.until_scaled_down()


def _expect_rollback(pace: Pace, breakage: Breakage) -> Expected:
    sure, maybe = split(pace.weights_percent, breakage.from_percent)
    return Expected(
        events=rollback(pace.weights_percent, breakage.from_percent, breakage.fault, pace.threshold),
        weights=(*made(*sure), *made(*maybe, times=Times.MAYBE), *made(0)),
        end=_end("Failed", tag=breakage.promoted, failed_checks=pace.threshold) | {"set image": TOLD},
    )


async def _play_agent_killed(stage: Stage) -> None:
    await stage.set_image("3.1.7")
    await stage.until_weight(_MIDWAY_PERCENT)
    await stage.kill_agent()
    await stage.until_end()
    await stage.until_event(PROMOTED.text)


async def _play_refused(stage: Stage) -> None:
    await stage.try_faulty("sandbox/demo/faulty-canary.yaml", FAULTS)


def _expect_refused(_: Pace) -> Expected:
    return Expected(events=(), weights=(), end={"faulty canary": REFUSED})


async def _play_grafana(stage: Stage) -> None:
    await stage.ask_dashboard()


def _expect_grafana(_: Pace) -> Expected:
    return Expected(events=(), weights=(), end={"panels without data": "none"})


def _end(status: str, *, tag: str, failed_checks: int = 0, agent_restarts: int = 0) -> dict[str, str]:
    """What the guide shows after a run: the columns of `kubectl get canary`, and what they stand for."""
    return {
        "NAME": "podinfo",
        "STATUS": status,
        "WEIGHT": "0",
        "LASTTRANSITIONTIME": "<time>",
        "failed checks": str(failed_checks),
        "primary image": f"stefanprodan/podinfo:{tag}",
        "canary replicas": "0",
        "agent restarts": str(agent_restarts),
    }


def _rollback_act(name: str, title: str, breakage: Breakage) -> Act:
    return Act(name, title, partial(_play_rollback, breakage=breakage), partial(_expect_rollback, breakage=breakage))


_ERRORS = Breakage("3.1.4", "/status/500", 500, SUCCESS_RATE, promoted="3.1.3")
# From the beginning: Envoy gives out its histograms every 5 s only, so this fault shows later than the others.
_LATENCY = Breakage("3.1.5", "/delay/2", 200, DURATION, promoted="3.1.3", from_percent=0)
_NOT_FOUND = Breakage("3.1.6", "/status/404", 404, NOT_FOUND, promoted="3.1.3", is_edited=True)

ACTS = (
    Act("bootstrap", "Bootstrap: Serin creates what the canary needs", _play_bootstrap, _expect_bootstrap),
    Act("promotion", "Automated canary promotion", _play_promotion, _expect_promotion),
    Act("restart", "A second change in the middle of a run", _play_restart, _expect_restart),
    _rollback_act("rollback-500", "Automated rollback: HTTP 500 errors", _ERRORS),
    _rollback_act("rollback-latency", "Automated rollback: high latency", _LATENCY),
    _rollback_act("rollback-404", "Custom metrics: rollback on HTTP 404 errors", _NOT_FOUND),
    Act(
        "agent-killed",
        "Beyond the guide: the agent is killed in the middle of a run",
        _play_agent_killed,
        partial(_expect_promotion, tag="3.1.7", agent_restarts=1),
    ),
    Act("refused", "Beyond the guide: a Canary with faults is refused", _play_refused, _expect_refused),
    Act("grafana", "Every panel of the Grafana dashboard has data", _play_grafana, _expect_grafana),
)
