"""The runs that are played while agents die: a promotion and a rollback of each strategy, with hooks and gates in some.

What users and events must show of each is that of a run without a kill.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tests.support.kills.scene import BAD, BAD_ONCE_USED, GOOD, THRESHOLD, Hook, Scene
from tests.support.kills.users import User

Path = Literal["primary", "there and back", "mixed"]
"""What a user sees: the primary only; that, then the canary side, then that again; any of them, the primary last."""


@dataclass(frozen=True)
class Act:
    """What people do: once the phase or the exposure is `at`, and so many agents more have died, `does` it."""

    at: str
    does: Callable[[Scene], None]
    kills: int = 0


@dataclass(frozen=True)
class Case:
    """`shows`: the exposures of the run, in order (`tests.support.exposure`). `told`: the news of its moves.

    `users` are there besides two who send nothing special; those see what `everybody` says. The checks pass where the
    `query` gives 1. `is_alone`: its acts would be felt by others on the same gateway.
    """

    name: str
    analysis: dict[str, Any]
    ends: Literal["Succeeded", "Failed"]
    shows: Sequence[str]
    told: Sequence[str]
    everybody: Path = "mixed"
    users: Sequence[tuple[User, Path]] = ()
    hooks: Sequence[Hook] = ()
    acts: Sequence[Act] = ()
    query: str = GOOD
    is_alone: bool = False
    change: Callable[[Scene], None] = Scene.change_image


def _begins(*told: str) -> list[str]:
    return ["New revision detected! Scaling up {name}", "Starting canary analysis for {name}", *told]


def _promoted(*told: str, back: Sequence[int] = ()) -> list[str]:
    return [
        *_begins(*told),
        "Copying {name} template spec to {primary}",
        *(f"Advance {{name}} primary weight {weight}" for weight in back),
        "Routing all traffic to primary",
        "Promotion completed! Scaling down {name}",
    ]


def _failed(*told: str) -> list[str]:
    return [
        *_begins(*told),
        *["Halt {name} advancement own 0.00 < 1"] * THRESHOLD,
        f"Rolling back {{name}} failed checks threshold reached {THRESHOLD}",
        "Canary failed! Scaling down {name}",
    ]


def _weights(*weights: int) -> list[str]:
    return [f"Advance {{name}} canary weight {weight}" for weight in weights]


def _iterations(count: int, of: int) -> list[str]:
    return [f"Advance {{name}} canary iteration {number}/{of}" for number in range(1, count + 1)]


def _passed(kind: str) -> str:
    return f"{kind.capitalize()} check {kind} passed"


# The run is held by the gate before its promotion until its checks turn bad there.
HELD: dict[str, Any] = {
    "hooks": (Hook("confirm-promotion", "gate"),),
    "acts": (Act("WaitingPromotion", Scene.turn_bad, kills=1),),
}
_HELD = "Halt {name} advancement waiting for promotion approval confirm-promotion"

# Held by the same gate, its status is lost.
PRUNED: dict[str, Any] = {
    "hooks": (Hook("confirm-promotion", "gate"),),
    "acts": (Act("WaitingPromotion", Scene.prune_status, kills=1),),
}
_LOST = (
    "Rolling back {name} taken over from Flagger in mid-run, and nobody knows what its checks said",
    "Canary failed! Scaling down {name}",
)

ITERATIONS = {"stepWeight": None, "maxWeight": None, "iterations": 2}
STEPS = {"stepWeight": None, "maxWeight": None, "stepWeights": [20, 60], "stepWeightPromotion": 30}
MATCH = ITERATIONS | {"match": [{"headers": {"x-user": {"exact": "insider"}}}]}
AFFINE = {"sessionAffinity": {"cookieName": "side"}}

INSIDER: tuple[User, Path] = (User("insider", {"x-user": "insider"}), "there and back")
REGULAR: tuple[User, Path] = (User("regular", keeps_cookies=True), "there and back")

_TO_CANARY = "Routing all traffic to canary"
_END_MIRROR = "Stop traffic mirroring and route all traffic to canary"
_STEP = _passed("confirm-traffic-increase")

CASES: Sequence[Case] = (
    Case(
        "weights, all hooks",
        {},
        "Succeeded",
        shows=["0", "25", "50", "0"],
        told=[
            "Halt {name} advancement waiting for approval confirm-rollout",
            _passed("confirm-rollout"),
            *_promoted(
                _passed("pre-rollout"),
                *(text for weight in (25, 50) for text in (_STEP, *_weights(weight))),
                _STEP,
                _passed("confirm-promotion"),
            ),
            _passed("post-rollout"),
        ],
        hooks=(
            Hook("confirm-rollout", "gate"),
            Hook("rollback", "rollback"),
            *(Hook(kind) for kind in ("pre-rollout", "rollout", "confirm-traffic-increase", "confirm-promotion")),
            *(Hook(kind) for kind in ("post-rollout", "event")),
        ),
        acts=(Act("Waiting", Scene.open_gate, kills=2),),
    ),
    Case(
        "weights, checks fail",
        {},
        "Failed",
        shows=["0", "25", "0"],
        told=[*_failed(*_weights(25)), _passed("post-rollout")],
        hooks=(Hook("post-rollout"), Hook("event")),
        query=BAD,
    ),
    Case(
        "weights, rollback gate opens",
        {},
        "Failed",
        shows=["0", "25", "50", "0"],
        told=[
            *_begins(*_weights(25, 50)),
            _HELD,
            "Rollback check rollback passed",
            "Rolling back {name} manual webhook invoked",
            "Canary failed! Scaling down {name}",
        ],
        hooks=(Hook("confirm-promotion", "gate"), Hook("rollback", "rollback")),
        acts=(Act("WaitingPromotion", Scene.open_rollback_gate, kills=2),),
    ),
    Case(
        "steps there and back, another config",
        STEPS,
        "Succeeded",
        shows=["0", "20", "60", "30", "0"],
        told=_promoted(*_weights(20, 60), back=[70]),
        change=Scene.change_config,
    ),
    Case(
        "steps, checks fail",
        STEPS,
        "Failed",
        shows=["0", "20", "60", "0"],
        told=_failed(*_weights(20, 60), _HELD),
        **HELD,
    ),
    Case(
        "A/B, promotion confirmed",
        MATCH,
        "Succeeded",
        shows=["0 matched 0", "0 matched 100", "0 matched 0"],
        told=_promoted(*_iterations(2, 2), _passed("confirm-promotion")),
        everybody="primary",
        users=(INSIDER,),
        hooks=(Hook("rollout"), Hook("confirm-promotion")),
    ),
    Case(
        "A/B, checks fail",
        MATCH,
        "Failed",
        shows=["0 matched 0", "0 matched 100", "0 matched 0"],
        told=_failed(*_iterations(2, 2), _HELD),
        everybody="primary",
        users=(INSIDER,),
        **HELD,
    ),
    Case(
        "blue/green, promotion gate",
        ITERATIONS,
        "Succeeded",
        shows=["0", "100", "0"],
        told=_promoted(
            *_iterations(2, 2),
            _HELD,
            _passed("confirm-promotion"),
            _TO_CANARY,
        ),
        everybody="there and back",
        hooks=(Hook("confirm-promotion", "gate"),),
        acts=(Act("WaitingPromotion", Scene.open_gate, kills=2),),
    ),
    Case(
        "blue/green, checks fail on all the traffic",
        # Prometheus must know of the first request before the one interval with all the traffic is over.
        ITERATIONS | {"iterations": 1, "interval": "5s"},
        "Failed",
        shows=["0", "100", "0"],
        told=_failed(*_iterations(1, 1), _TO_CANARY),
        everybody="there and back",
        query=BAD_ONCE_USED,
    ),
    Case(
        "blue/green with mirroring",
        ITERATIONS | {"mirror": True, "mirrorWeight": 20},
        "Succeeded",
        shows=["0", "0 mirrored 20", "100", "0"],
        told=_promoted(*_iterations(2, 2), _END_MIRROR),
        everybody="there and back",
    ),
    Case(
        "blue/green with mirroring, checks fail",
        ITERATIONS | {"mirror": True, "mirrorWeight": 20},
        "Failed",
        shows=["0", "0 mirrored 20", "0"],
        told=_failed(*_iterations(2, 2), _HELD),
        everybody="primary",
        **HELD,
    ),
    Case(
        "weights with mirroring",
        {"mirror": True},
        "Succeeded",
        shows=["0", "0 mirrored 100", "25", "50", "0"],
        told=_promoted(*_weights(0, 25, 50)),
    ),
    Case(
        "weights with mirroring, checks fail",
        {"mirror": True},
        "Failed",
        shows=["0", "0 mirrored 100", "25", "50", "0"],
        told=_failed(*_weights(0, 25, 50), _HELD),
        **HELD,
    ),
    Case(
        "weights with session affinity",
        AFFINE,
        "Succeeded",
        shows=["0", "25 sticky", "50 sticky", "0 forgetting"],
        told=_promoted(*_weights(25, 50)),
        users=(REGULAR,),
    ),
    Case(
        "weights with session affinity, checks fail",
        AFFINE,
        "Failed",
        shows=["0", "25 sticky", "50 sticky", "0 forgetting"],
        told=_failed(*_weights(25, 50), _HELD),
        users=(REGULAR,),
        **HELD,
    ),
    Case(
        "weights, the status is pruned",
        {},
        "Failed",
        shows=["0", "25", "50", "0"],
        told=[*_begins(*_weights(25, 50), _HELD), *_LOST],
        **PRUNED,
    ),
    Case(
        "A/B, the status is pruned",
        MATCH,
        "Failed",
        shows=["0 matched 0", "0 matched 100", "0 matched 0"],
        told=[*_begins(*_iterations(2, 2), _HELD), *_LOST],
        everybody="primary",
        users=(INSIDER,),
        **PRUNED,
    ),
    Case(
        "weights, the gateway is silent",
        {},
        "Succeeded",
        shows=["0", "25", "50", "0"],
        told=_promoted(*_weights(25, 50)),
        acts=(Act("25", Scene.silence_gateway), Act("50", Scene.silence_gateway)),
        is_alone=True,
    ),
    Case(
        "A/B, the gateway is silent",
        MATCH,
        "Succeeded",
        shows=["0 matched 0", "0 matched 100", "0 matched 0"],
        told=_promoted(*_iterations(2, 2)),
        everybody="primary",
        users=(INSIDER,),
        acts=(Act("0 matched 100", Scene.silence_gateway),),
        is_alone=True,
    ),
    Case(
        "blue/green, the gateway is silent",
        ITERATIONS,
        "Succeeded",
        shows=["0", "100", "0"],
        told=_promoted(*_iterations(2, 2), _TO_CANARY),
        everybody="there and back",
        acts=(Act("100", Scene.silence_gateway),),
        is_alone=True,
    ),
)
