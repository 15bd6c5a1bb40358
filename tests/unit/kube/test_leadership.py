"""The rules of leader election."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from kube.leadership import ObservedLease, Step, Timing, claimed, decide, observe, released

NOW = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)


def lease(holder: str | None, version: str = "7", **spec: Any) -> dict[str, Any]:
    held = {"holderIdentity": holder} if holder is not None else {}
    return {"metadata": {"name": "serin", "namespace": "n", "resourceVersion": version}, "spec": held | spec}


def step(stored: dict[str, Any] | None, *, seen_for_s: float = 0.0) -> Step:
    observed = None if stored is None else ObservedLease(stored["metadata"]["resourceVersion"], 100.0)
    return decide(stored, observed, "me", 100.0 + seen_for_s, 15.0)


def test_a_free_lease_is_taken_at_once() -> None:
    assert step(None) is Step.CREATE
    assert step(lease(None)) is Step.ACQUIRE
    assert step(lease("")) is Step.ACQUIRE


def test_ones_own_lease_is_renewed_however_old() -> None:
    assert step(lease("me")) is Step.RENEW
    assert step(lease("me"), seen_for_s=1000) is Step.RENEW


def test_anothers_lease_is_taken_only_after_it_stood_still_for_its_duration() -> None:
    assert step(lease("other"), seen_for_s=14.9) is Step.WAIT
    assert step(lease("other"), seen_for_s=15.0) is Step.ACQUIRE
    assert step(lease("other", leaseDurationSeconds=60), seen_for_s=59.9) is Step.WAIT
    assert step(lease("other", leaseDurationSeconds=60), seen_for_s=60.0) is Step.ACQUIRE


def test_a_lease_is_observed_anew_with_each_change() -> None:
    first = observe(lease("other", "7"), None, 100.0)
    assert first == ObservedLease("7", 100.0)
    assert observe(lease("other", "7"), first, 110.0) == ObservedLease("7", 100.0)
    assert observe(lease("other", "8"), first, 110.0) == ObservedLease("8", 110.0)
    assert observe(None, first, 110.0) is None


def test_a_claim_counts_transitions_and_keeps_the_version_that_guards_it() -> None:
    fresh = claimed({"metadata": {"name": "serin"}}, "me", NOW, Timing())
    assert fresh["spec"] == {
        "holderIdentity": "me",
        "leaseDurationSeconds": 12,
        "leaseTransitions": 0,
        "acquireTime": "2026-03-01T12:00:00.000005Z",
        "renewTime": "2026-03-01T12:00:00.000005Z",
    }
    taken = claimed(lease("other", leaseTransitions=4), "me", NOW, Timing())
    assert taken["spec"]["leaseTransitions"] == 5
    assert taken["metadata"]["resourceVersion"] == "7"


def test_a_renewal_changes_only_its_time() -> None:
    mine = lease("me", acquireTime="before", renewTime="before", leaseTransitions=4, leaseDurationSeconds=12)
    renewed = claimed(mine, "me", NOW, Timing())
    assert renewed["spec"] == mine["spec"] | {"renewTime": "2026-03-01T12:00:00.000005Z"}


def test_a_released_lease_is_nobodys() -> None:
    assert step(released(lease("me"), NOW)) is Step.ACQUIRE


@pytest.mark.parametrize("figures", [(10.0, 10.0, 2.0), (15.0, 2.0, 2.0), (15.0, 10.0, 0.0)])
def test_timings_that_could_give_two_leaders_are_refused(figures: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="allowed is"):
        Timing(*figures)
