"""The one table from the guide's event lines to those of Flagger 1.44, which Serin writes.

The guide was written for Flagger 1.5 and shows its wording. `guide` has the lines that a text stands for; a text
without any is declared here because Flagger 1.44 or Serin writes it where the guide shows nothing. Events with a text
that is not in here make an act fail. In texts, `…` stands for anything.
"""

from dataclasses import dataclass, replace

from sandbox.demo.sequence import Line, Times

# Bootstrap.
INITIALIZED = Line("Initialization done! podinfo.test")

# A run. What changed, and who applied it, is known from the admission webhook.
_PROVENANCE = "podinfod image 3.1.… -> 3.1.…, applied by …"
RUN_STARTED = Line(
    f"New revision detected! Scaling up podinfo.test: {_PROVENANCE}",
    guide=("New revision detected podinfo.test", "Scaling up podinfo.test"),
)
CANARY_WAITS = Line(
    "canary deployment podinfo.test not ready: waiting for rollout to finish: …",
    guide=("Waiting for podinfo.test rollout to finish: 0 of 1 updated replicas are available",),
    times=Times.ANY,  # whether somebody looks in between is a matter of timing
)
ANALYSIS_STARTED = Line("Starting canary analysis for podinfo.test")
PRE_ROLLOUT_PASSED = Line("Pre-rollout check acceptance-test passed")
NO_VALUES = Line(
    "Halt advancement no values found for gloo metric … probably podinfo.test is not receiving traffic",
    times=Times.ANY,  # until Prometheus has scraped the canary's first requests; it costs no failed check
)

# A promotion.
COPYING = Line(
    "Copying podinfo.test template spec to podinfo-primary.test",
    guide=("Copying podinfo.test template spec to podinfo-primary.test",),
)
PRIMARY_WAITS = Line(
    "podinfo-primary.test not ready: waiting for rollout to finish: …",
    guide=("Waiting for podinfo-primary.test rollout to finish: 1 of 2 updated replicas are available",),
    times=Times.ANY,  # as above
)
ROUTING_TO_PRIMARY = Line("Routing all traffic to primary")
PROMOTED = Line(
    "Promotion completed! Scaling down podinfo.test",
    guide=("Promotion completed! Scaling down podinfo.test",),
)

# "If you apply new changes to the deployment during the canary analysis, Flagger will restart the analysis."
RESTARTED = Line(f"New revision detected! Restarting analysis for podinfo.test: {_PROVENANCE}")

# A rollback.
FAILED = Line("Canary failed! Scaling down podinfo.test", guide=("Canary failed! Scaling down podinfo.test",))


@dataclass(frozen=True)
class Fault:
    """A check that fails: its text in the events, and the guide's own lines, one for each failed check."""

    text: str
    guide: tuple[str, ...] = ()
    guide_threshold: int | None = None


_GUIDE_STARTED = "Starting canary deployment for podinfo.test"  # where it shows a rollback; there, nothing comes before
_RATES = (69.17, 61.39, 55.06, 47.00, 38.08)
_PERCENTAGES = (6.20, 6.45, 7.60, 8.69, 9.70)
SUCCESS_RATE = Fault(
    "Halt podinfo.test advancement success rate …% < 99%",
    # Before the last one the guide has kubectl's "(combined from similar events): ".
    guide=tuple(f"Halt podinfo.test advancement success rate {rate:.2f}% < 99%" for rate in _RATES),
    guide_threshold=10,  # a slip of the guide: its canary has 5
)
DURATION = Fault("Halt podinfo.test advancement request duration … > 500ms")  # the guide shows no events of this one
NOT_FOUND = Fault(
    "Halt podinfo.test advancement 404s percentage … > 5",
    guide=tuple(f"Halt podinfo.test advancement 404s percentage {value:.2f} > 5" for value in _PERCENTAGES),
    guide_threshold=5,
)


def advance(weight_percent: int, times: Times = Times.ONCE) -> Line:
    """The canary gets its next weight: the same text in the guide and in Flagger 1.44."""
    text = f"Advance podinfo.test canary weight {weight_percent}"
    return Line(text, guide=(text,) if times is Times.ONCE else (), times=times)


def made(*weights_percent: int, times: Times = Times.ONCE) -> tuple[Line, ...]:
    """The canary's weights, as they are expected on its route."""
    return tuple(Line(str(weight), times=times) for weight in weights_percent)


def bootstrap() -> tuple[Line, ...]:
    """The generated objects come up. The guide shows no events here."""
    return (PRIMARY_WAITS, INITIALIZED)


def promotion(weights_percent: tuple[int, ...]) -> tuple[Line, ...]:
    """A run whose checks pass, from the change to the end."""
    return (RUN_STARTED, *_analysis(weights_percent), COPYING, PRIMARY_WAITS, ROUTING_TO_PRIMARY, PROMOTED)


def restart(weights_percent: tuple[int, ...], until_percent: int) -> tuple[Line, ...]:
    """A run that a second change overtakes once the canary has `until_percent`, and the run of that change."""
    _, *second = promotion(weights_percent)
    return (RUN_STARTED, *_analysis(*split(weights_percent, until_percent)), RESTARTED, *second)


def rollback(weights_percent: tuple[int, ...], until_percent: int, fault: Fault, threshold: int) -> tuple[Line, ...]:
    """A run that a fault is put into once the canary has `until_percent`."""
    halts = [
        line
        for number in range(threshold)
        for line in (Line(fault.text, guide=fault.guide[number : number + 1]), NO_VALUES)
    ]
    reached = "Rolling back podinfo.test failed checks threshold reached"
    guide = () if fault.guide_threshold is None else (f"{reached} {fault.guide_threshold}",)
    waits, started = replace(CANARY_WAITS, guide=()), replace(ANALYSIS_STARTED, guide=(_GUIDE_STARTED,))
    _, _, *analysis = _analysis(*split(weights_percent, until_percent))
    end = (Line(f"{reached} {threshold}", guide=guide), FAILED)
    return (replace(RUN_STARTED, guide=()), waits, started, *analysis, *halts, *end)


def split(weights_percent: tuple[int, ...], until_percent: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The weights that come for sure before something is done at `until_percent`, and those that may come meanwhile."""
    sure = 1 + sum(weight < until_percent for weight in weights_percent)
    return weights_percent[:sure], weights_percent[sure:]


def _analysis(weights_percent: tuple[int, ...], maybe_percent: tuple[int, ...] = ()) -> tuple[Line, ...]:
    steps = [advance(weight) for weight in weights_percent]
    steps += [advance(weight, Times.MAYBE) for weight in maybe_percent]
    told = (line for step in steps for line in (step, NO_VALUES))
    return (CANARY_WAITS, ANALYSIS_STARTED, PRE_ROLLOUT_PASSED, *told)


# What kubectl prints of the admission webhook's. The guide knows nothing of either.
TAKEN_OVER = Line("Warning: Canary test/podinfo …: revision … (podinfod image 3.1.… -> 3.1.…). …")
FAULTS = (
    "spec.analysis.interval",
    "spec.analysis.stepWeights[1]",
    "spec.analysis.metrics[0].thresholdRange",
    "spec.analysis.webhooks[0].url",
)
"""The faults of the Canary that is refused: each is told with its path."""

# The guide's listing of the objects, applied and generated, as `kubectl get -o name` spells them (the guide has the
# plural of Gloo's kinds). The two Upstreams are generated for Gloo too; the guide leaves them out.
OBJECTS = {
    "deployment.apps/podinfo": "deployment.apps/podinfo",
    "horizontalpodautoscaler.autoscaling/podinfo": "horizontalpodautoscaler.autoscaling/podinfo",
    "virtualservices.gateway.solo.io/podinfo": "virtualservice.gateway.solo.io/podinfo",
    "canary.flagger.app/podinfo": "canary.flagger.app/podinfo",
    "deployment.apps/podinfo-primary": "deployment.apps/podinfo-primary",
    "horizontalpodautoscaler.autoscaling/podinfo-primary": "horizontalpodautoscaler.autoscaling/podinfo-primary",
    "service/podinfo": "service/podinfo",
    "service/podinfo-canary": "service/podinfo-canary",
    "service/podinfo-primary": "service/podinfo-primary",
    "routetables.gateway.solo.io/podinfo": "routetable.gateway.solo.io/podinfo",
}
UPSTREAMS = (
    "upstream.gloo.solo.io/test-podinfo-primaryupstream-9898",
    "upstream.gloo.solo.io/test-podinfo-canaryupstream-9898",
)
