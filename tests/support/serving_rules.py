"""What must hold of the traffic: nobody is sent to a side without a pod while the other side has one, and the like."""

from dataclasses import dataclass

from canary.run.action import SetTraffic
from canary.run.observation import RouteState
from canary.run.phase import ANALYSING, Phase
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_storage import SimulatedStorage

_ENDING = {Phase.TERMINATING, Phase.TERMINATED}

# A minute, and what passes between two looks at the cluster.
_READY_FALSE_AFTER_S = 61.0


def check_before_promote(cluster: SimulatedCluster, effect: str) -> None:
    """See, before the effect, that a primary which rolls without a pod left carries nothing any more."""
    state = cluster.state
    is_rolled = cluster.primary_revision is not None and f"'{cluster.primary_revision}'" not in effect
    if state.phase is not Phase.PROMOTING or not is_rolled or not cluster.can_primary_serve:
        return
    assert cluster.served == cluster.shares, "the primary is rolled while the gateway is silent, or refuses its route"
    if cluster.rolls_without_gap:
        return
    assert cluster.can_canary_serve, "the last copy that serves is rolled away"
    assert cluster.revision == state.revisions.analysed, "what nobody analysed is all that serves"
    assert cluster.shares == (0, 100), "users are on a primary that has no pod now"


def check_before_traffic(cluster: SimulatedCluster) -> None:
    """See, before the route is written, that a canary side that gets more has the size for it, or had its time for it.

    Of the requests that a match chooses nobody knows how many they are. Where the primary is lost, any size is better.
    """
    state, sizes = cluster.state, cluster.sizes
    percent, started_at_s = state.traffic.canary_percent, state.analysis.growth_started_at_s
    is_everyones = not cluster.canary.is_for_matching or state.traffic.includes_unmatched
    if state.phase not in ANALYSING or percent <= cluster.shares[1] or not is_everyones:
        return
    if state.timing.primary_down_at_s is not None and not cluster.can_primary_serve:
        return
    needed = min(-(-sizes.primary * percent // 100), sizes.target_limit or 100)
    had_time = started_at_s is not None and cluster.now_s - started_at_s >= cluster.canary.progress_deadline_s
    assert cluster.target_replicas >= needed or had_time, "more traffic than the canary side has the size for"


def check_at_rest(cluster: SimulatedCluster) -> None:
    """See that a promotion's traffic is where it is served, once there is nothing more to do for the moment.

    A newer revision on the canary side is nothing to send traffic to. Nothing is held against an agent that can't write
    the route, or whose intent is not stored: it stands still, but for the way back to the primary.
    """
    state, (to_primary, to_canary) = cluster.state, cluster.shares
    if state.phase is not Phase.PROMOTING or cluster.weights is None:
        return
    if SetTraffic in cluster.refused_actions or cluster.storage.lost is not None:
        return
    if cluster.can_canary_serve and not cluster.can_primary_serve and cluster.revision == state.revisions.analysed:
        assert to_primary == 0, "users are on a primary without a pod, and the canary has one"
    if cluster.can_primary_serve and not cluster.can_canary_serve:
        assert to_canary == 0, "users are on a canary without a pod, and the primary has one"


@dataclass
class ReadyRule:
    """What is not served as meant for more than a minute shows in the condition Ready, once the agent came to rest."""

    cluster: SimulatedCluster
    _agent: SimulatedStorage | None = None
    _since_s: float | None = None

    def check(self) -> None:
        """See it now. An agent that has just started counts anew."""
        cluster = self.cluster
        if self._agent is not cluster.storage:
            self._agent, self._since_s = cluster.storage, None
        if not self._is_bad():
            self._since_s = None
            return
        self._since_s = cluster.now_s if self._since_s is None else self._since_s
        if cluster.now_s - self._since_s > _READY_FALSE_AFTER_S:
            found = [one for one in cluster.status["conditions"] if one["type"] == "Ready"]
            assert found[0]["status"] == "False", "ready, and the traffic is not served as meant"

    def _is_bad(self) -> bool:
        """Is a route refused, or a primary without a pod while nothing else is to be expected of it?"""
        cluster, phase = self.cluster, self.cluster.state.phase
        if cluster.stale or cluster.weights is None or phase in {None, Phase.INITIALIZING, *_ENDING}:
            return False
        is_down = phase is not Phase.PROMOTING and not cluster.can_primary_serve
        return is_down or cluster.route_state in {RouteState.WARNED, RouteState.REJECTED}


def check_stored(cluster: SimulatedCluster) -> None:
    """See that nothing is exposed by a run of which the API server stores nothing, once there is nothing more to do."""
    is_run = cluster.state.phase not in {None, Phase.INITIALIZING, Phase.TERMINATING, Phase.TERMINATED}
    is_held_up = SetTraffic in cluster.refused_actions or any(cluster.cooldowns.waits_s())
    is_free = not (cluster.stale or is_held_up or cluster.is_in_gap)
    if cluster.storage.lost is not None and is_run and is_free and cluster.can_primary_serve:
        assert (cluster.weights or (100, 0))[1] == 0, "exposed, and nobody knows what is asked of it"
