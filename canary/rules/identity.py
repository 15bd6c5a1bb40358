"""What of a canary's identity may be edited once its objects are made."""

from collections.abc import Iterator

from canary.api.names import Identity, primary_name
from canary.api.problems import Problem


def target_is_kept(made: Identity, wanted: Identity) -> Iterator[Problem]:
    """Refuse another target behind the Services that lead the users to this one's primary.

    They can't be led to another primary without a gap: the gateway learns of a Service and of its Upstream one after
    the other. Under other names everything is made anew beside what is there.
    """
    if made.apex != wanted.apex or made.has_target_of(wanted):
        return
    path = "spec.targetRef.name" if made.target != wanted.target else "spec.targetRef.kind"
    allowed = (
        f"{made.workload} as long as the Services are named {made.apex}, for they lead the users to "
        f"{primary_name(made.target)}; to release {wanted.target}, change spec.service.name as well, or apply a Canary "
        "of its own with another spec.service.name, and lead the VirtualService to the RouteTable of that name"
    )
    yield Problem(path, wanted.workload, allowed)
