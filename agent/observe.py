"""Observing: what the caches show of one canary, as plain values for `decide`. No request is sent here."""

from collections.abc import Callable
from functools import partial

from agent.blockers import find_blockers
from agent.caches import Caches
from agent.canary_patch import has_finalizer
from agent.configs import target_revision
from agent.cooldowns import ActionCooldowns
from agent.copy_names import are_copied, present_copies
from agent.flagger import FlaggerWatch
from agent.limits.runs import RunQueue
from agent.managed_objects import ManagedObjects
from agent.providers.routing.port import Routing
from agent.release_objects import unreleased_objects
from agent.stored import StoredCanary
from canary.api.canary import Canary
from canary.decide.takeover import is_foreign
from canary.rules.references import Stage
from canary.run.managed import ManagedObject
from canary.run.mark import Mark
from canary.run.observation import Observation, Primary, Target
from canary.run.readiness import Readiness, daemonset_readiness, deployment_readiness
from canary.run.request import read_requester
from canary.run.revision import plain_template, template_part
from canary.run.state import Blocker, TargetIdentity
from canary.run.wire import REQUEST_ANNOTATION, REQUESTED_BY_ANNOTATION, REVISION_ANNOTATION
from kube.resource import Object
from kube.store import Key
from render.objects import UnusableObjectError
from render.rollout import is_rolling, keeps_a_pod, keeps_a_pod_when_promoted
from render.scale import full_size, primary_size_limit, replicas_from_zero, size_limit, wanted_replicas
from render.workload import is_primary_template, primary_workload


class Observer:
    """Looks at what the caches hold, for all canaries. `now_s` returns seconds since the epoch."""

    def __init__(
        self,
        caches: Caches,
        managed: ManagedObjects,
        routing: Routing,
        flagger: FlaggerWatch,
        runs: RunQueue,
        *,
        now_s: Callable[[], float],
    ) -> None:
        self._caches = caches
        self._managed = managed
        self._routing = routing
        self._flagger = flagger
        self._runs = runs
        self._now_s = now_s

    def observe(
        self,
        canary: Canary,
        stored: StoredCanary,
        cooldowns: ActionCooldowns,
        *,
        unstored: Blocker | None = None,
        lasting: Blocker | None = None,
    ) -> Observation:
        """Return everything that a decision is made from, but for answers. What cools down is not tried again yet.

        `unstored` and `lasting` are the caller's own, as `Observation` has them.
        """
        now_s, caches = self._now_s(), self._caches
        target, primary = caches.target(canary), caches.primary(canary)
        due, blockers = self._look_at_objects(canary, target)
        scaler, failed = self._managed.scaler(canary), cooldowns.objects
        obj = caches.sight(canary).stored or {"metadata": {}}
        is_deleted = "deletionTimestamp" in obj["metadata"]
        annotations = obj["metadata"].get("annotations") or {}
        asked = annotations.get(REQUEST_ANNOTATION, "")
        return Observation(
            now_s=now_s,
            unstored=unstored,
            lasting=lasting,
            target=None if target is None else self._target(canary, target),
            primary=None if primary is None else self._primary(canary, stored, target, primary),
            route=self._routing.observe(canary, now_s),
            due_objects=due - failed,
            failed_objects=due & failed,
            scale_to=1 if target is None else replicas_from_zero(target, primary, scaler),
            full_size=1 if target is None else full_size(target, primary),
            size_limit=None if target is None else size_limit(target, scaler),
            blockers=blockers if stored.blocker is None else (stored.blocker, *blockers),
            start_blockers=find_blockers(canary, caches, Stage.START),
            unaccepted=self._routing.unaccepted(canary),
            cooling_down=cooldowns.actions,
            refused_traffic=cooldowns.traffic,
            failures=cooldowns.errors,
            request=asked,
            requested_by=read_requester(asked, annotations.get(REQUESTED_BY_ANNOTATION, "")),
            flagger=self._flagger.at_work(),
            renamed_to=stored.renamed_to,
            has_renamed_target=stored.renamed_to is not None and caches.has_target(canary.namespace, stored.renamed_to),
            is_spec_lost=stored.is_spec_lost,
            place=self._runs.place_of(Key(canary.namespace, canary.name)),
            is_deleted=is_deleted,
            has_finalizer=has_finalizer(obj),
            unreleased_objects=unreleased_objects(canary, target, caches) if is_deleted and target else frozenset(),
        )

    def is_exposed(self, canary: Canary) -> bool:
        """Return whether the route leads requests to the canary side, or can't be read."""
        try:
            route = self._routing.observe(canary, self._now_s())
        except Exception:  # noqa: BLE001  the tick will tell what is wrong with it
            return True
        return route is not None and (route.traffic.canary_percent > 0 or route.traffic.mirror_percent > 0)

    def _look_at_objects(
        self, canary: Canary, target: Object | None
    ) -> tuple[frozenset[ManagedObject], tuple[Blocker, ...]]:
        """Return the objects that are missing or not as rendered, and what blocks the canary."""
        blockers = find_blockers(canary, self._caches)
        if target is None or blockers:
            return frozenset(), blockers
        try:
            return self._managed.due(canary, target), ()
        except UnusableObjectError as error:
            return frozenset(), (Blocker(error.reason, str(error)),)

    def _target(self, canary: Canary, target: Object) -> Target:
        metadata = target["metadata"]
        revision, configs = target_revision(canary, target, self._caches)
        identity = TargetIdentity(metadata["uid"], int(metadata["generation"]), revision, configs)
        mark = Mark.read(metadata.get("annotations"))
        if mark is not None and mark.revision != template_part(revision):
            mark = None
        readiness = _readiness(target, canary.canary_ready_threshold)
        is_paused = bool(target["spec"].get("paused"))
        return Target(identity, wanted_replicas(target), readiness, mark, is_paused=is_paused)

    def _primary(self, canary: Canary, stored: StoredCanary, target: Object | None, primary: Object) -> Primary:
        annotations = primary["metadata"].get("annotations") or {}
        return Primary(
            annotations.get(REVISION_ANNOTATION, ""),
            _readiness(primary, canary.primary_ready_threshold),
            # Where another controller wrote the status, no more is known of the primary than its template.
            runs_target=is_foreign(stored.state) and target is not None and self._runs_target(canary, target, primary),
            rolls_without_gap=target is None or self._rolls_without_gap(canary, primary, target),
            is_lasting=not is_rolling(primary) or keeps_a_pod(primary, wanted_replicas(primary)),
            replicas=wanted_replicas(primary),
            size_limit=primary_size_limit(canary, self._managed.scaler(canary)),
        )

    def _rolls_without_gap(self, canary: Canary, primary: Object, target: Object) -> bool:
        is_scaled_by_others = self._managed.is_scaled_by_others(canary, primary)
        keeps = partial(keeps_a_pod_when_promoted, canary, primary, target, is_scaled_by_others=is_scaled_by_others)
        return self._caches.memo(canary).of("no gap", (canary, primary, target, is_scaled_by_others), keeps)

    def _runs_target(self, canary: Canary, target: Object, primary: Object) -> bool:
        """Return whether the primary, which another controller made, is as a promotion of the target would make it."""
        template = plain_template(target["spec"]["template"])
        copies = present_copies(canary, target, template, self._caches)
        try:
            rendered = primary_workload(
                canary,
                target,
                template,
                revision="",
                replicas=None,
                config_copies=copies,
                primary=primary,
                settings=self._caches.labels,
            )
        except UnusableObjectError:
            return False
        return is_primary_template(primary, rendered) and are_copied(canary, target, template, self._caches)


def _readiness(workload: Object, threshold_percent: int) -> Readiness:
    if workload["kind"] == "DaemonSet":
        return daemonset_readiness(workload, threshold_percent)
    return deployment_readiness(workload, threshold_percent)
