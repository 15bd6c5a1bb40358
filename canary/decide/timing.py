"""How long things take, and how long they may: the constants of all phases. Durations in seconds."""

from typing import Final

# A side is looked at this often while its readiness is awaited: watches bring the change, this is for lost ones.
PATIENCE_S: Final = 5.0

# While something changes within seconds: a route that is to be served, requests that are to end.
POLL_S: Final = 1.0

# While the gateway is about to acknowledge a write, some 1.6 s after it; nothing is asked of anybody for that.
SETTLING_S: Final = 0.3

# An acknowledgement takes some two seconds; one of within this time is stored with the next transition, see
# `served.count_served`.
SERVED_AT_ONCE_S: Final = 5.0

# That costs a step an interval where the agent dies before it: no more than it takes for another one to lead.
COUNTED_S: Final = 15.0

# Gloo looks at a new Upstream within some two seconds; then somebody is told that it does not.
ACCEPTED_WITHIN_S: Final = 10.0

# A pod that became ready is in the gateway 0.05 to 0.7 s later (recorded in tests/contract/gloo): traffic sent to its
# side before that gets 503.
ENDPOINTS_KNOWN_S: Final = 1.0

# Until every kube-proxy and gateway has stopped sending to the target's pods. The gateway's part was measured at up to
# 0.8 s (tests/contract/gloo), kube-proxy syncs within a second.
BOOTSTRAP_SETTLE_S: Final = 3.0

# Every kube-proxy has followed a Service long before; the gateway is asked.
RELEASE_SETTLE_S: Final = 5.0

# An autoscaler looks back so long before it takes replicas away (its default): by then the primary is asked for all
# that it carries, and what it was asked for during a run is forgotten.
AUTOSCALER_LOOKS_BACK_S: Final = 300.0
# A primary of one pod is without it for some seconds whenever that pod is moved to another node.
PRIMARY_LOST_AFTER_S: Final = 30.0

# A thousand that wait for their turns are told of where they stand in a thousand writes.
PLACE_WRITTEN_EVERY_S: Final = 60.0

# The API's defaults, for a canary without an analysis of its own.
DEFAULT_DRAIN_S: Final = 30.0
DEFAULT_UNOBSERVED_DEADLINE_S: Final = 600.0
