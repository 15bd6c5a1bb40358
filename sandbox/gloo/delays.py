"""How long Gloo takes, as measured on the real one; a switch makes it slower or stops it."""

from dataclasses import dataclass, replace

from sandbox.gloo.snapshot import Json

SWITCH = "sandbox-gloo"  # the ConfigMap, in Gloo's namespace; its key is `delays`
SWITCH_KEY = "delays"
IN_FORCE = "sandbox-gloo/in-force"  # its annotation, which the translator writes: the word that it goes by


@dataclass(frozen=True)
class Delays:
    """Seconds: from a change seen to Envoy serving it; then on to the proxy's status emptied; then to it filled."""

    routes_s: float
    endpoint_ready_s: float
    endpoint_gone_s: float
    status_emptied_s: float
    status_filled_s: float
    is_stopped: bool = False


# Recorded: routes 0.40 to 0.43 s after a write, endpoints ready up to 0.7 s and going away 0.7 to 0.8 s, the status
# emptied at 0.6 s and filled at 1.6 s. The watch, the stream to Envoy and its own work take the rest of the time.
REAL = Delays(routes_s=0.395, endpoint_ready_s=0.55, endpoint_gone_s=0.7, status_emptied_s=0.18, status_filled_s=0.97)
SLOW = Delays(routes_s=5.0, endpoint_ready_s=5.0, endpoint_gone_s=5.0, status_emptied_s=1.0, status_filled_s=5.0)
STOPPED = replace(REAL, is_stopped=True)
_PRESETS = {"real": REAL, "slow": SLOW, "stopped": STOPPED}


def delays_of(switch: Json | None) -> Delays:
    """The delays that the ConfigMap asks for; without it, or with an unknown word in it, those of the real Gloo."""
    return _PRESETS[word_of(switch)]


def word_of(switch: Json | None) -> str:
    """The word that is in force: `real` without a switch, or for an unknown word."""
    word = ((switch or {}).get("data") or {}).get(SWITCH_KEY)
    return word if word in _PRESETS else "real"
