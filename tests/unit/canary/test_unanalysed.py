"""A canary without an analysis promotes every revision, and says so: once in an event, and in its condition Ready."""

from typing import Any

import pytest

from canary.run.phase import Phase
from tests.support.canaries import canary, with_spec
from tests.support.simulated_cluster import SimulatedCluster
from tests.support.simulated_runs import phase

UNANALYSED = (
    "podinfo.test has no spec.analysis: every revision is promoted unanalysed. Add one, or skipAnalysis: true if that "
    "is meant"
)
WITHOUT = with_spec(canary(), analysis=None)
SKIPPED = with_spec(canary(), analysis=None, skip_analysis=True)
OVER = "podinfo.test has a spec.analysis from now on, or skipAnalysis: true"


def ready(cluster: SimulatedCluster) -> dict[str, Any]:
    [condition] = [one for one in cluster.status["conditions"] if one["type"] == "Ready"]
    return {key: condition[key] for key in ("status", "reason", "message")}


@pytest.fixture
def unanalysed() -> SimulatedCluster:
    cluster = SimulatedCluster(WITHOUT)
    cluster.run(60)
    return cluster


def test_every_revision_is_promoted_and_it_is_said_once(unanalysed: SimulatedCluster) -> None:
    for revision in ("aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"):
        unanalysed.set_image(revision)
        unanalysed.run(120)
        assert (phase(unanalysed), unanalysed.primary_revision) == (Phase.SUCCEEDED, revision)
    assert unanalysed.texts().count(UNANALYSED) == 1
    assert unanalysed.status["serin"]["unanalysed"] is True
    assert ready(unanalysed) == {
        "status": "True",
        "reason": "Unanalysed",
        "message": "The canary is valid and watched, but without spec.analysis: every revision is promoted unanalysed.",
    }


@pytest.mark.parametrize("mended", [canary(), SKIPPED], ids=["analysis", "skipAnalysis"])
def test_it_is_over_when_there_is_an_analysis_or_none_is_meant(unanalysed: SimulatedCluster, mended: Any) -> None:
    unanalysed.canary = mended
    unanalysed.run(30)
    assert unanalysed.texts().count(OVER) == 1
    assert "unanalysed" not in unanalysed.status["serin"]
    assert ready(unanalysed)["reason"] == "Reconciling"


def test_nothing_is_said_where_it_is_meant() -> None:
    cluster = SimulatedCluster(SKIPPED)
    cluster.run(60)
    cluster.set_image("aaaaaaaaaaaaaaaa")
    cluster.run(120)
    assert cluster.primary_revision == "aaaaaaaaaaaaaaaa"
    assert UNANALYSED not in cluster.texts()
    assert OVER not in cluster.texts()
