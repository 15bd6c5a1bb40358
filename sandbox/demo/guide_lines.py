"""The one table from the guide's event lines to those of Flagger 1.44, which Serin writes.

The guide was written for Flagger 1.5 and shows its wording. `guide` has the lines that a text stands for; a text
without any is declared here because Flagger 1.44 or Serin writes it where the guide shows nothing. Events with a text
that is not in here make an act fail. In texts, `…` stands for anything.
"""

from sandbox.demo.sequence import Line, Times

# Bootstrap.
INITIALIZED = Line("Initialization done! podinfo.test")

# A run.
RUN_STARTED = Line(
    "New revision detected! Scaling up podinfo.test",
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


def advance(weight_percent: int) -> Line:
    """The canary gets its next weight: the same text in the guide and in Flagger 1.44."""
    text = f"Advance podinfo.test canary weight {weight_percent}"
    return Line(text, guide=(text,))


def bootstrap() -> tuple[Line, ...]:
    """The generated objects come up. The guide shows no events here."""
    return (PRIMARY_WAITS, INITIALIZED)


def promotion(weights_percent: tuple[int, ...]) -> tuple[Line, ...]:
    """A run whose checks pass, from the change to the end."""
    steps = [line for weight in weights_percent for line in (advance(weight), NO_VALUES)]
    return (
        RUN_STARTED,
        CANARY_WAITS,
        ANALYSIS_STARTED,
        PRE_ROLLOUT_PASSED,
        *steps,
        COPYING,
        PRIMARY_WAITS,
        ROUTING_TO_PRIMARY,
        PROMOTED,
    )


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
