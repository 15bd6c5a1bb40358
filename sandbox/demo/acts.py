"""The guide's acts: what the user types, and what must come of it. One more act is one more entry of ACTS."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.demo.guide_lines import INITIALIZED, OBJECTS, PROMOTED, UPSTREAMS, bootstrap, promotion
from sandbox.demo.pace import Pace
from sandbox.demo.stage import Stage
from sandbox.demo.verdict import Expected


@dataclass(frozen=True)
class Act:
    """`play` does what the user does and returns when it has ended; `expected` is what the guide shows."""

    name: str
    title: str
    play: Callable[[Stage], Awaitable[None]]
    expected: Callable[[Pace], Expected]


async def _play_bootstrap(stage: Stage) -> None:
    await stage.kubectl("create ns test")
    await stage.kubectl("-n test apply -k manifests/examples/podinfo")
    await stage.kubectl("-n test apply -k manifests/loadtester")
    await stage.kubectl("apply -f manifests/examples/podinfo-virtualservice.yaml")
    await stage.kubectl(f"apply -f {stage.canary_file}")
    await stage.until_end()
    await stage.until_event(INITIALIZED.text)
    await stage.until_available("flagger-loadtester")


def _expect_bootstrap(_: Pace) -> Expected:
    return Expected(
        events=bootstrap(),
        weights=(0,),
        end=_end("Initialized", image="stefanprodan/podinfo:3.1.0"),
        objects=(*OBJECTS.values(), *UPSTREAMS),
    )


async def _play_promotion(stage: Stage) -> None:
    await stage.set_image("3.1.1")
    await stage.until_end()
    await stage.until_event(PROMOTED.text)


def _expect_promotion(pace: Pace) -> Expected:
    return Expected(
        events=promotion(pace.weights_percent),
        weights=(*pace.weights_percent, 0),
        end=_end("Succeeded", image="stefanprodan/podinfo:3.1.1"),
    )


def _end(status: str, *, image: str, failed_checks: int = 0) -> dict[str, str]:
    """What the guide shows after a run: the columns of `kubectl get canary`, and what they stand for."""
    return {
        "NAME": "podinfo",
        "STATUS": status,
        "WEIGHT": "0",
        "LASTTRANSITIONTIME": "<time>",
        "failed checks": str(failed_checks),
        "primary image": image,
        "canary replicas": "0",
    }


ACTS = (
    Act("bootstrap", "Bootstrap: Serin creates what the canary needs", _play_bootstrap, _expect_bootstrap),
    Act("promotion", "Automated canary promotion", _play_promotion, _expect_promotion),
)
