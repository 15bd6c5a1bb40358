"""Session affinity: the cookie that keeps users on the side that served them first."""

import hashlib
from string import ascii_letters
from typing import Any, Final

from canary.decide.context import Tick

_VALUE_CHARS: Final = 10


def cookie_at(tick: Tick, weight_percent: int) -> dict[str, Any]:
    """Return the state's cookie for a step to `weight_percent`: a run has one, from its first weight to its end.

    Source: Flagger 1.44, `makeSessionAffinityRoutes` in `pkg/router/istio.go`: `cookieName=` and ten letters.
    """
    state, analysis = tick.state, tick.canary.analysis
    affinity = analysis.session_affinity if analysis is not None and tick.canary.strategy == "canary" else None
    if affinity is not None and weight_percent and state.cookie.startswith(f"{affinity.cookie_name}="):
        return {}
    is_wanted = affinity is not None and weight_percent > 0
    cookie = f"{affinity.cookie_name}={_value(tick)}" if affinity is not None and is_wanted else ""
    return {"cookie": cookie, "previous_cookie": state.cookie or state.previous_cookie}


def _value(tick: Tick) -> str:
    """Return the run's own ten letters: the same input is always decided alike, so they are hashed, not drawn."""
    run = f"{tick.canary.uid}/{tick.state.analysed}/{tick.state.sequence}"
    digest = hashlib.sha256(run.encode()).digest()[:_VALUE_CHARS]
    return "".join(ascii_letters[byte % len(ascii_letters)] for byte in digest)
